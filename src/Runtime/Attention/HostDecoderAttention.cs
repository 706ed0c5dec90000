using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime.Attention;

/// <summary>
/// Attention on the processor. Sinks, window and far rows all lie in the store; a decode step cuts them into pieces for the
/// workers and merges the partials of each head.
/// </summary>
internal sealed unsafe class HostDecoderAttention : IDecoderAttention
{
    private const int SmallestPiece = 128;
    private const int LargestPiece = 4096;

    private readonly ModelConfig _config;
    private readonly WorkerPool _workers;
    private readonly HostPrefill _prefill;
    private readonly Selection _selection;
    private readonly float* _scaledQuery;
    private readonly int _partialFloats;
    private Piece[] _pieces = new Piece[64];
    private int _pieceCount;
    private float* _partials;
    private int _partialCapacity;

    public HostDecoderAttention(ModelConfig config, WorkerPool workers)
    {
        _config = config;
        _workers = workers;
        _prefill = new HostPrefill(workers);
        _selection = new Selection(config.KvHeads);
        _scaledQuery = (float*)NativeMemory.AlignedAlloc((nuint)(config.Heads * config.HeadDim * sizeof(float)), 64);
        // Whole cache lines, so that two workers never write to the same one.
        _partialFloats = (AttentionPartial.Floats(config.Group, config.HeadDim) + 15) / 16 * 16;
    }

    public void Prefill(SequenceState state, int layer, int position, Rows query, Rows key, Rows value, Rows output)
    {
        AppendOnly(state, layer, position, key, value);
        _prefill.Attend(
            state.Store, layer, position, query.Count, _config.Heads, _config.LayerKinds[layer].SlidingWindow, query.Data, output.Data);
    }

    public void AppendOnly(SequenceState state, int layer, int position, Rows key, Rows value)
        => state.Store.Append(layer, key.Data, value.Data, key.Count);

    public void Step(SequenceState state, int layer, int position, Rows query, Rows key, Rows value, Rows output)
    {
        int length = position + 1;
        state.Store.Append(layer, key.Data, value.Data, 1);
        state.LayerStepped(layer, length);
        float scale = 1 / MathF.Sqrt(_config.HeadDim);
        for (int i = 0; i < query.Width; i++)
            _scaledQuery[i] = query.Data[i] * scale;

        CutIntoPieces(state, layer, length);
        Piece[] pieces = _pieces;
        _workers.For(_pieceCount, 1, (_, begin, end) =>
        {
            for (int i = begin; i < end; i++)
                AttendPiece(state.Store, layer, pieces[i], Partial(i));
        });
        MergePieces(output.Data);
    }

    public void Dispose()
    {
        _prefill.Dispose();
        NativeMemory.AlignedFree(_scaledQuery);
        NativeMemory.AlignedFree(_partials);
        _partials = null;
    }

    private void CutIntoPieces(SequenceState state, int layer, int length)
    {
        _pieceCount = 0;
        if (state.Selector(layer) is not { } selector)
        {
            AddRange(Math.Max(0, length - _config.LayerKinds[layer].SlidingWindow!.Value), length);
            return;
        }
        int sinks = Math.Min(state.Policy.Sinks, length), farEnd = Math.Min(state.FarEnd(length), length);
        _selection.Clear();
        if (farEnd > sinks)
            selector.Select(new DecodeQuery((nint)_scaledQuery, _config.HeadDim, _config.Group), _selection);
        if (_selection.All)
        {
            AddRange(0, length);
            return;
        }
        AddRange(0, sinks);
        AddRange(farEnd, length);
        for (int head = 0; head < _config.KvHeads; head++)
        {
            int count = _selection.Rows(head).Length;
            int size = PieceSize(count);
            for (int first = 0; first < count; first += size)
                Add(new Piece(head, first, Math.Min(first + size, count), Selected: true));
        }
    }

    private void AddRange(int first, int end)
    {
        int size = PieceSize(end - first);
        for (int head = 0; head < _config.KvHeads; head++)
        {
            for (int row = first; row < end; row += size)
                Add(new Piece(head, row, Math.Min(row + size, end), Selected: false));
        }
    }

    /// <summary>A few pieces for each worker, so that none waits long for the last one.</summary>
    private int PieceSize(int rows) => Math.Clamp(rows * _config.KvHeads / (_workers.Threads * 4), SmallestPiece, LargestPiece);

    private void Add(Piece piece)
    {
        if (_pieceCount == _pieces.Length)
            Array.Resize(ref _pieces, 2 * _pieceCount);
        _pieces[_pieceCount++] = piece;
        if (_pieceCount <= _partialCapacity)
            return;
        _partialCapacity = _pieces.Length;
        NativeMemory.AlignedFree(_partials);
        _partials = (float*)NativeMemory.AlignedAlloc((nuint)(_partialCapacity * _partialFloats * sizeof(float)), 64);
    }

    private AttentionPartial Partial(int piece) => new(_partials + (long)piece * _partialFloats, _config.Group, _config.HeadDim);

    private void AttendPiece(KvStore store, int layer, Piece piece, AttentionPartial partial)
    {
        float* queries = _scaledQuery + (long)piece.Head * _config.Group * _config.HeadDim;
        if (piece.Selected)
            HostAttention.Attend(store, layer, piece.Head, _selection.Rows(piece.Head)[piece.First..piece.End], queries, partial);
        else
            HostAttention.Attend(store, layer, piece.Head, piece.First, piece.End, queries, partial);
    }

    private void MergePieces(float* output)
    {
        int groupFloats = _config.Group * _config.HeadDim;
        for (int head = 0; head < _config.KvHeads; head++)
        {
            AttentionPartial? merged = null;
            for (int i = 0; i < _pieceCount; i++)
            {
                if (_pieces[i].Head != head)
                    continue;
                if (merged is { } sum)
                    sum.Merge(Partial(i));
                else
                    merged = Partial(i);
            }
            new ReadOnlySpan<float>(merged!.Value.Output, groupFloats).CopyTo(new Span<float>(output + head * groupFloats, groupFloats));
        }
    }

    /// <summary>Rows of one KV head for one worker: store rows [First, End), or a slice of the head's selection.</summary>
    private readonly record struct Piece(int Head, int First, int End, bool Selected);
}
