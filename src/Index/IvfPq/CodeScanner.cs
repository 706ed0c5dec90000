using System.Runtime.CompilerServices;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Logits of the rows of opened lists from their codes, relative to what weights are relative to.</summary>
internal sealed unsafe class CodeScanner
{
    private float[] _offset = [], _scale = [];

    // Aligned: an unaligned table is two cache lines at each of its many loads.
    private readonly PinnedMemory<byte> _tables = new();
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private int _subspaces;

    private int BlockBytes => CodeScan.BlockBytes(_subspaces);

    /// <param name="total">[group]: what weights are relative to, logarithms.</param>
    public void Begin(in CascadeQuery query, ListLevel lists, OpenedLists opened, float[] total)
    {
        (_lists, _opened, _subspaces) = (lists, opened, query.Codec.Quantizer.Subspaces);
        int group = query.Group;
        _tables.Grow(group * CodeScan.TableBytes(_subspaces));
        Scratch.Grow(ref _offset, group);
        Scratch.Grow(ref _scale, group);
        fixed (float* x = lists.Queries, offset = _offset, scale = _scale)
            CodeTables.Build(query.Codec, x, group, MathF.Log(Math.Max(opened.Stride, 1)), _tables.Pointer, offset, scale);
        for (int g = 0; g < group; g++)
            _offset[g] -= total[g];
    }

    /// <summary>Asks the memory for the codes of opened lists [begin, end).</summary>
    public void Prefetch(int begin, int end)
    {
        foreach (OpenedList list in _opened.Lists[begin..end])
            CacheLines.Prefetch((byte*)list.Codes, (byte*)list.Codes + CodeScan.Blocks(list.Rows) * BlockBytes);
    }

    /// <summary>Logits of the rows of one list, in whole blocks; −∞ beyond its end.</summary>
    /// <param name="opened">Which of the opened lists.</param>
    /// <param name="logits">[group, stride]</param>
    public void Scan(int opened, float* logits, int stride)
    {
        float* shift = stackalloc float[_lists.Group];
        OpenedList list = Enter(opened, shift);
        fixed (float* scale = _scale)
            CodeScan.Logits((byte*)list.Codes, list.Rows, _subspaces, _tables.Pointer, _lists.Group, shift, scale, logits, stride);
    }

    /// <summary>Weights of the rows of opened lists [begin, end), relative to what weights are relative to: as <see cref="ScannedWeights.Compute"/>.</summary>
    [SkipLocalsInit]
    public void Weigh(int begin, int end, float* weights, int stride, float* groupWeights, float* sums, float* largest)
    {
        int count = end - begin, group = _lists.Group;
        nint* codes = stackalloc nint[count];
        int* rows = stackalloc int[count];
        float* shifts = stackalloc float[count * group];
        for (int i = 0; i < count; i++)
        {
            OpenedList list = Enter(begin + i, shifts + i * group);
            (codes[i], rows[i]) = (list.Codes, list.Rows);
        }
        fixed (float* scale = _scale)
            ScannedWeights.Compute(codes, rows, count, _subspaces, _tables.Pointer, group, shifts, scale, weights, stride, groupWeights, sums, largest);
    }

    /// <summary>Of the rows of one list those that reach a limit: see <see cref="CodeSieve.Split"/>.</summary>
    /// <returns>How many.</returns>
    public int Sieve(int opened, float* limits, int* numbers, float* passed, int passedStride, float* rest, float* logits, int stride)
    {
        float* shift = stackalloc float[_lists.Group];
        OpenedList list = Enter(opened, shift);
        fixed (float* scale = _scale)
        {
            return CodeSieve.Split(
                (byte*)list.Codes, list.Rows, _subspaces, _tables.Pointer, _lists.Group, shift, scale, limits, _opened.Starts[opened], numbers, passed, passedStride, rest, logits, stride);
        }
    }

    /// <param name="shift">[group], receives what is added to all logits of the list.</param>
    private OpenedList Enter(int opened, float* shift)
    {
        int entry = _opened.Entries[opened];
        for (int g = 0; g < _lists.Group; g++)
            shift[g] = _lists.Logits[g * _lists.Count + entry] + _offset[g];
        return _opened.Lists[opened];
    }
}
