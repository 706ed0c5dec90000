using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime.Attention;

/// <summary>
/// Attention of one token over rows of the host's store: the rows are cut into pieces for the workers, and each KV head's
/// pieces merged into what it has attended to so far. One step is <see cref="Begin"/>, <see cref="Add"/> and
/// <see cref="Attend"/> for rows that are read anyway, then <see cref="AttendSelected"/>, which knows what those gave.
/// </summary>
internal sealed unsafe class StoreAttention : IDisposable
{
    private const int SmallestPiece = 128;
    private const int LargestPiece = 4096;

    private readonly ModelConfig _config;
    private readonly WorkerPool _workers;
    private readonly Selection _selection;
    private readonly int _partialFloats;
    private Piece[] _pieces = new Piece[64];
    private int _pieceCount;
    private float* _partials;
    private int _partialCapacity;

    public StoreAttention(ModelConfig config, WorkerPool workers)
    {
        _config = config;
        _workers = workers;
        _selection = new Selection(config.KvHeads, config.Group, config.HeadDim);
        ScaledQuery = (float*)NativeMemory.AlignedAlloc((nuint)(config.Heads * config.HeadDim * sizeof(float)), 64);
        Attended = (float*)NativeMemory.AlignedAlloc((nuint)(config.KvHeads * AttendedFloats * sizeof(float)), 64);
        // Whole cache lines, so that two workers never write to the same one.
        _partialFloats = (AttentionPartial.Floats(config.Group, config.HeadDim) + 15) / 16 * 16;
    }

    /// <summary>[heads, headDim], the query scaled by 1/√headDim; filled by the caller before it asks for rows.</summary>
    public float* ScaledQuery { get; }

    /// <summary>
    /// What each KV head has attended to: a partial a head, one after another. Empty after <see cref="Begin"/>; the caller may put in
    /// what was attended to elsewhere.
    /// </summary>
    public float* Attended { get; }

    private int AttendedFloats => AttentionPartial.Floats(_config.Group, _config.HeadDim);

    /// <summary>The partial of one KV head.</summary>
    public AttentionPartial AttendedBy(int head) => new(Attended + (long)head * AttendedFloats, _config.Group, _config.HeadDim);

    public void Begin()
    {
        for (int head = 0; head < _config.KvHeads; head++)
            AttendedBy(head).Clear();
    }

    /// <summary>Rows [first, end) of every KV head.</summary>
    public void Add(int first, int end)
    {
        int size = PieceSize(end - first);
        for (int head = 0; head < _config.KvHeads; head++)
        {
            for (int row = first; row < end; row += size)
                Add(new Piece(head, row, Math.Min(row + size, end), Selected: false));
        }
    }

    /// <summary>Attends to the rows added since the last time.</summary>
    public void Attend(KvStore store, int layer)
    {
        Piece[] pieces = _pieces;
        _workers.For(_pieceCount, 1, (_, begin, end) =>
        {
            for (int i = begin; i < end; i++)
                AttendPiece(store, layer, pieces[i], Partial(i));
        });
        for (int i = 0; i < _pieceCount; i++)
            AttendedBy(pieces[i].Head).Merge(Partial(i));
        _pieceCount = 0;
    }

    /// <summary>Asks the layer's selector for far rows, attends to those that it names and takes its estimate of the others.</summary>
    public void AttendSelected(ITokenSelector selector, KvStore store, int layer)
    {
        _selection.Clear();
        selector.Select(new DecodeQuery((nint)ScaledQuery, (nint)Attended, _config.HeadDim, _config.Group), _selection);
        for (int head = 0; head < _config.KvHeads; head++)
        {
            if (_selection.Estimate(head) is { } estimate)
                AttendedBy(head).Merge(estimate);
            int count = _selection.Rows(head).Length;
            int size = PieceSize(count);
            for (int first = 0; first < count; first += size)
                Add(new Piece(head, first, Math.Min(first + size, count), Selected: true));
        }
        Attend(store, layer);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(ScaledQuery);
        NativeMemory.AlignedFree(Attended);
        NativeMemory.AlignedFree(_partials);
        _partials = null;
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
        _partials = (float*)NativeMemory.AlignedRealloc(_partials, (nuint)((long)_partialCapacity * _partialFloats * sizeof(float)), 64);
    }

    private AttentionPartial Partial(int piece) => new(_partials + (long)piece * _partialFloats, _config.Group, _config.HeadDim);

    private void AttendPiece(KvStore store, int layer, Piece piece, AttentionPartial partial)
    {
        float* queries = ScaledQuery + (long)piece.Head * _config.Group * _config.HeadDim;
        if (piece.Selected)
            HostAttention.Attend(store, layer, piece.Head, _selection.Rows(piece.Head)[piece.First..piece.End], queries, partial);
        else
            HostAttention.Attend(store, layer, piece.Head, piece.First, piece.End, queries, partial);
    }

    /// <summary>Rows of one KV head for one worker: store rows [First, End), or a slice of the head's selection.</summary>
    private readonly record struct Piece(int Head, int First, int End, bool Selected);
}
