using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Second level of a <see cref="Cascade"/>: weights of the rows of the opened lists from their codes.</summary>
internal sealed unsafe class CodeLevel
{
    private float[] _weights = [], _scores = [], _sums = [], _offset = [], _scale = [], _moved = [], _total = [], _largest = [];
    private byte[] _tables = [];
    private IvfPqIndex _index = null!;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;

    /// <summary>[group, stride]: shares of each query's attention.</summary>
    public float[] Weights => _weights;

    /// <summary>[stride]: how much a row's key deserves to be read; the sum of its weights.</summary>
    public float[] Scores => _scores;

    /// <param name="total">[group]: what weights are relative to, logarithms.</param>
    public void Begin(in CascadeQuery query, ListLevel lists, OpenedLists opened, float[] total)
    {
        (_index, _lists, _opened, _total) = (query.Index, lists, opened, total);
        int group = query.Group;
        Scratch.Grow(ref _weights, group * opened.Stride);
        Scratch.Grow(ref _scores, opened.Stride);
        Scratch.Grow(ref _sums, group * opened.Count);
        Scratch.Grow(ref _tables, group * CodeScan.TableBytes(query.Codec.Quantizer.Subspaces));
        Scratch.Grow(ref _offset, group);
        Scratch.Grow(ref _scale, group);
        Scratch.Grow(ref _moved, group);
        Scratch.Grow(ref _largest, group * opened.Parts);
        fixed (float* x = lists.Queries, offset = _offset, scale = _scale)
        fixed (byte* tables = _tables)
            CodeTables.Build(query.Codec, x, group, MathF.Log(Math.Max(opened.Stride, 1)), tables, offset, scale);
    }

    /// <summary>Logits of the rows of one part, relative to the total.</summary>
    public void Scan(int part)
    {
        (int begin, int end) = _opened.Of(part);
        int group = _lists.Group, lists = _lists.Count, stride = _opened.Stride, subspaces = _index.Codec.Quantizer.Subspaces, blockBytes = CodeScan.BlockBytes(subspaces);
        float* shift = stackalloc float[group];
        var cursor = new SegmentCursor(_index);
        for (int i = begin; i < end; i++)
        {
            cursor.MoveTo(_opened.Numbers[i]);
            cursor.Segment.PrefetchCodes(cursor.List, blockBytes);
        }
        cursor = new SegmentCursor(_index);
        fixed (float* weights = _weights, scale = _scale, logits = _lists.Logits)
        fixed (byte* tables = _tables)
        {
            for (int i = begin; i < end; i++)
            {
                int list = _opened.Numbers[i];
                cursor.MoveTo(list);
                for (int g = 0; g < group; g++)
                    shift[g] = logits[g * lists + list] + _offset[g] - _total[g];
                byte* codes = cursor.Segment.Codes.Pointer + (long)cursor.Segment.BlockStarts[cursor.List] * blockBytes;
                CodeScan.Logits(codes, cursor.Rows, subspaces, tables, group, shift, scale, weights + _opened.Starts[i], stride);
            }
            int first = _opened.Starts[begin], rows = _opened.Starts[end] - first;
            for (int g = 0; g < group; g++)
                _largest[part * group + g] = CodeWeights.Largest(weights + (long)g * stride + first, rows);
        }
    }

    /// <summary>Makes sure that the weights will be floats.</summary>
    public void Recentre(float[] total)
    {
        int group = _lists.Group, stride = _opened.Stride;
        for (int g = 0; g < group; g++)
        {
            float largest = float.NegativeInfinity;
            for (int part = 0; part < _opened.Parts; part++)
                largest = MathF.Max(largest, _largest[part * group + g]);
            _moved[g] = Promises.Recentre(_weights.AsSpan(g * stride, stride), largest, _index.Codec.Sharp, ref total[g]);
        }
    }

    /// <summary>Logits of one part become weights.</summary>
    public void Weigh(int part)
    {
        (int begin, int end) = _opened.Of(part);
        int group = _lists.Group, stride = _opened.Stride;
        fixed (float* weights = _weights, scores = _scores, sums = _sums)
        {
            new Span<float>(sums + begin * group, (end - begin) * group).Clear();
            for (int i = begin; i < end; i++)
            {
                int start = _opened.Starts[i];
                CodeWeights.Compute(weights + start, stride, _opened.Starts[i + 1] - start, group, scores + start, sums + i * group);
            }
        }
    }

    /// <summary>Sums over codes replace the masses of the opened lists, and correct those of the closed ones.</summary>
    public void ReplaceMasses()
    {
        int group = _lists.Group, count = _lists.Count;
        for (int g = 0; g < group && _opened.Count > 0; g++)
        {
            Span<float> mass = _lists.Mass.Slice(g * count, count);
            float promised = 0, found = 0;
            for (int i = 0; i < _opened.Count; i++)
            {
                promised += mass[_opened.Numbers[i]];
                found += _sums[i * group + g];
            }
            Promises.Scale(mass, Promises.Correction(promised, TensorPrimitives.Sum<float>(mass), found, _moved[g]));
            for (int i = 0; i < _opened.Count; i++)
                mass[_opened.Numbers[i]] = _sums[i * group + g];
        }
    }
}
