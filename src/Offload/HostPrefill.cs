using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// Exact causal attention of a chunk of tokens over all rows of a <see cref="KvStore"/> up to themselves, on the processor:
/// blocked, with online softmax, so that no buffer grows with the context (FlashAttention, arXiv 2205.14135). A block of
/// queries of all heads of a group meets each tile of keys once. Far rows may be left to an index.
/// </summary>
/// <param name="rounded">Products in 16-bit whole numbers where those are faster; their error is a tenth of that of bfloat16.</param>
public sealed unsafe class HostPrefill(WorkerPool workers, bool rounded = false) : IDisposable
{
    private const int TileKeys = 64;
    private const int BlockRows = 768;

    private const int RowsTogether = WholeNumberTile.Together;

    // Queries that meet an index together, at most: enough to share the widening of its lists, few enough for the scores of all lists to stay in cache.
    private const int FarBlockRows = 128;

    // Fewer share too little of what a tile takes to be read.
    private const int FewestTokens = 16;

    // Pieces for each worker, so that none waits long for the last one.
    private const int PiecesOfWorker = 4;

    private readonly bool _rounded = rounded && WholeNumberMultiply.IsFast;
    private readonly BlockCascade[] _far = [.. Enumerable.Range(0, workers.Threads).Select(_ => new BlockCascade())];
    private readonly float*[] _scratch = new float*[workers.Threads];
    private readonly long[] _scratchFloats = new long[workers.Threads];

    /// <summary>Attention outputs of tokens whose keys and values are already in the store.</summary>
    /// <param name="position">Position of the first token.</param>
    /// <param name="window">A token sees itself and the window − 1 before it; null: all.</param>
    /// <param name="far">Rows that an index speaks for, as far as a token stands behind them; null: all rows are attended to exactly.</param>
    /// <param name="queries">[tokens, heads, headDim], after RoPE, not scaled.</param>
    /// <param name="output">[tokens, heads, headDim]</param>
    public void Attend(KvStore store, int layer, int position, int tokens, int heads, int? window, IndexedRows? far, float* queries, float* output)
    {
        int kvHeads = store.Layout.KvHeads, group = heads / kvHeads;
        Piece[] pieces = Cut(tokens, group, tokens * kvHeads / (PiecesOfWorker * workers.Threads));
        workers.For(pieces.Length * kvHeads, 1, (worker, unit, _) =>
        {
            // Later pieces see more keys and take longer: taken first, so that the workers finish together.
            Piece piece = pieces[pieces.Length - 1 - unit / kvHeads];
            int kvHead = unit % kvHeads;
            var shape = new Block(store, layer, kvHead, position + piece.First, piece.End - piece.First, position + piece.BlockEnd, group, heads, window, _rounded);
            long offset = ((long)piece.First * heads + kvHead * group) * store.Layout.HeadDim;
            int segments = far?.Segments(position + piece.Block) ?? 0;
            AttendBlock(shape, segments == 0 ? null : new FarBlock(far!, kvHead, segments, _far[worker]), queries + offset, output + offset, Scratch(worker, shape));
        });
    }

    public void Dispose()
    {
        for (int i = 0; i < _scratch.Length; i++)
        {
            NativeMemory.AlignedFree(_scratch[i]);
            _scratch[i] = null;
            _scratchFloats[i] = 0;
        }
    }

    /// <summary>
    /// Tokens in blocks, which share what an index speaks for: whole ones at the end, quarters before them, for whoever is left without a
    /// whole one. Many workers take blocks in pieces; what a token gives does not depend on those.
    /// </summary>
    /// <param name="wanted">Tokens of a piece, about.</param>
    private static Piece[] Cut(int tokens, int group, int wanted)
    {
        // Blocks end with tiles as far as they are larger, and pieces between tokens that do not meet an index together.
        int most = Math.Max(1, BlockRows / group), unit = most < TileKeys ? FarTokens(group) : TileKeys;
        int whole = most / unit * unit, quarter = Math.Max(unit, whole / 4 / unit * unit), lead = (tokens - (tokens - 1) / whole * whole + unit - 1) / unit * unit;
        int size = Math.Clamp(wanted / unit * unit, Math.Max(unit, Math.Min(FewestTokens, whole)), whole);
        var pieces = new List<Piece>();
        for (int block = 0, end; block < tokens; block = end)
        {
            end = Math.Min(tokens, block + (block < lead ? Math.Min(quarter, lead - block) : whole));
            for (int first = block; first < end; first += size)
                pieces.Add(new Piece(first, Math.Min(end, first + size), block, end));
        }
        return [.. pieces];
    }

    private static void AttendBlock(in Block block, FarBlock? far, float* queries, float* output, float* scratch)
    {
        int dim = block.Dim, padded = block.PaddedDim, rows = block.Rows;
        float* query = scratch + block.WholeNumberFloats, laneSums = query + rows * dim, reference = laneSums + rows * OnlineSoftmax.Lanes, accumulated = reference + rows;
        float* farQuery = accumulated + rows * padded, keys = farQuery + rows * dim, keysTransposed = keys + TileKeys * dim, values = keysTransposed + TileKeys * dim;
        float* logits = values + TileKeys * padded;
        GatherQueries(block, queries, query);
        new Span<float>(laneSums, rows * OnlineSoftmax.Lanes).Clear();
        new Span<float>(reference, rows).Fill(float.NegativeInfinity);
        new Span<float>(accumulated, rows * padded).Clear();

        var state = new Accumulation(scratch, query, far?.Rows.Placement is null ? query : farQuery, keys, keysTransposed, values, logits, reference, laneSums, accumulated);
        int firstKey = block.Window is { } w ? Math.Max(0, block.Position - w + 1) / TileKeys * TileKeys : 0;
        if (far is { } indexed)
        {
            firstKey = indexed.Rows.End(indexed.Segments);
            TurnQueries(block, indexed.Rows, firstKey, state);
            AttendRange(block, 0, indexed.Rows.First, state.FarQuery, state);
        }
        AttendRange(block, firstKey, block.KeysEnd, state.Query, state);
        Divide(block, accumulated, laneSums, reference);
        if (far is { } searched)
            AttendFar(block, searched, state);
        ScatterOutputs(block, accumulated, output);
    }

    /// <summary>Attends to rows [first, end), as far as each token sees them.</summary>
    private static void AttendRange(in Block block, int first, int end, float* queries, in Accumulation state)
    {
        int dim = block.Dim, padded = block.PaddedDim, rows = block.Rows;
        WholeNumberTile tile = block.Rounded ? new(state.WholeNumbers, rows, TileKeys, dim, padded) : default;
        if (block.Rounded)
            tile.Queries(queries, rows);
        // What a tile holds is rounded together: it is the same for all pieces of a block, also where some see nothing of its last keys.
        for (int key = first, seen = Math.Min(end, block.Position + block.Tokens); key < seen; key += TileKeys)
        {
            int count = Math.Min(TileKeys, end - key);
            LoadTile(block, key, count, state.Keys, state.KeysTransposed, state.Values);
            if (block.Rounded)
                tile.Load(state.KeysTransposed, state.Values, count);
            bool masked = count < TileKeys || key + TileKeys > block.Position + 1 || (block.Window is { } span && key <= block.Position + block.Tokens - 1 - span);
            // Tokens before the tile's first key see nothing of it.
            int firstRow = Math.Max(0, key - block.Position) * block.Group / RowsTogether * RowsTogether;
            for (int row = firstRow; row < rows; row += RowsTogether)
            {
                int some = Math.Min(RowsTogether, rows - row);
                if (block.Rounded)
                    tile.Score(row, some, state.Logits);
                else
                    PanelMultiply.Multiply(queries + row * dim, dim, state.KeysTransposed, TileKeys, state.Logits, TileKeys, some, dim, TileKeys, false);
                for (int r = 0; r < some; r++)
                {
                    float* rowLogits = state.Logits + r * TileKeys;
                    if (masked)
                        Mask(block, row + r, key, count, rowLogits);
                    float* laneSums = state.LaneSums + (row + r) * OnlineSoftmax.Lanes;
                    float rescale = block.Rounded
                        ? tile.Step(r, rowLogits, ref state.Reference[row + r], laneSums)
                        : OnlineSoftmax.Step(rowLogits, TileKeys, ref state.Reference[row + r], laneSums);
                    if (rescale != 1)
                        Scale(new Span<float>(state.Accumulated + (row + r) * padded, padded), rescale);
                }
                if (block.Rounded)
                    tile.AddValues(some, count, state.Accumulated + row * padded);
                else
                    PanelMultiply.Multiply(state.Logits, TileKeys, state.Values, padded, state.Accumulated + row * padded, padded, some, count, padded, true);
            }
        }
    }

    /// <summary>Queries as they meet sinks and indexed keys that do not stand where they stood.</summary>
    private static void TurnQueries(in Block block, IndexedRows rows, int firstKey, in Accumulation state)
    {
        if (rows.Placement is not { } placement)
            return;
        int floats = block.Rows * block.Dim;
        new ReadOnlySpan<float>(state.Query, floats).CopyTo(new Span<float>(state.FarQuery, floats));
        placement.Turn(state.FarQuery, block.Rows, block.Dim, rows.First, firstKey);
    }

    /// <summary>Sums become means, and references log-sum-exps.</summary>
    private static void Divide(in Block block, float* accumulated, float* laneSums, float* reference)
    {
        for (int row = 0; row < block.Rows; row++)
        {
            float sum = OnlineSoftmax.Sum(laneSums + row * OnlineSoftmax.Lanes);
            Scale(new Span<float>(accumulated + row * block.PaddedDim, block.PaddedDim), 1 / sum);
            reference[row] += MathF.Log(sum);
        }
    }

    /// <summary>Merges what an index says about the far rows into what was attended to exactly.</summary>
    private static void AttendFar(in Block block, in FarBlock far, in Accumulation state)
    {
        int dim = block.Dim, tokens = FarTokens(block.Group);
        // The tiles are no longer needed.
        float* output = state.Keys, logSumExp = state.Keys + tokens * block.Group * dim;
        for (int token = 0; token < block.Tokens; token += tokens)
        {
            int some = Math.Min(tokens, block.Tokens - token), first = token * block.Group;
            far.Cascade.Run(
                far.Rows.Indexes[far.KvHead], far.Rows.Packed[far.KvHead], far.Segments, state.FarQuery + first * dim, some, block.Group, state.Reference + first,
                far.Rows.BudgetUntil(block.Position + token + some), output, logSumExp);
            for (int row = 0; row < some * block.Group; row++)
                Merge(state.Accumulated + (first + row) * block.PaddedDim, state.Reference[first + row], output + row * dim, logSumExp[row], dim);
        }
    }

    private static void Merge(float* near, float nearLogSum, float* far, float farLogSum, int dim)
    {
        // Share of the far rows: a logistic function of the difference.
        float share = 1 / (1 + MathF.Exp(nearLogSum - farLogSum));
        var target = new Span<float>(near, dim);
        TensorPrimitives.Multiply(target, 1 - share, target);
        TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(far, dim), share, target, target);
    }

    /// <summary>Tokens that meet an index together: a power of two, so that wherever a piece begins it is the same ones.</summary>
    private static int FarTokens(int group) => Math.Min(TileKeys, 1 << BitOperations.Log2((uint)Math.Max(1, FarBlockRows / group)));

    private static void GatherQueries(in Block block, float* queries, float* gathered)
    {
        float scale = 1 / MathF.Sqrt(block.Dim);
        int width = block.Group * block.Dim;
        for (int token = 0; token < block.Tokens; token++)
        {
            float* from = queries + (long)token * block.Heads * block.Dim;
            TensorPrimitives.Multiply(new ReadOnlySpan<float>(from, width), scale, new Span<float>(gathered + token * width, width));
        }
    }

    private static void LoadTile(in Block block, int key, int count, float* keys, float* keysTransposed, float* values)
    {
        int dim = block.Dim, padded = block.PaddedDim;
        block.Store.ReadKeys(block.Layer, block.KvHead, key, count, keys);
        if (count < TileKeys)
            new Span<float>(keysTransposed, TileKeys * dim).Clear();
        Transpose.Apply(keys, count, dim, keysTransposed, TileKeys);
        if (padded == dim)
        {
            block.Store.ReadValues(block.Layer, block.KvHead, key, count, values);
            return;
        }
        new Span<float>(values, count * padded).Clear();
        for (int r = 0; r < count; r++)
            block.Store.ReadValues(block.Layer, block.KvHead, key + r, 1, values + r * padded);
    }

    private static void Mask(in Block block, int row, int key, int count, float* logits)
    {
        int position = block.Position + row / block.Group;
        int end = Math.Clamp(position + 1 - key, 0, count);
        new Span<float>(logits + end, TileKeys - end).Fill(float.NegativeInfinity);
        if (block.Window is { } window)
            new Span<float>(logits, Math.Clamp(position - window + 1 - key, 0, TileKeys)).Fill(float.NegativeInfinity);
    }

    private static void Scale(Span<float> row, float factor) => TensorPrimitives.Multiply(row, factor, row);

    private static void ScatterOutputs(in Block block, float* accumulated, float* output)
    {
        for (int row = 0; row < block.Rows; row++)
        {
            float* from = accumulated + row * block.PaddedDim;
            float* to = output + ((long)(row / block.Group) * block.Heads + row % block.Group) * block.Dim;
            new ReadOnlySpan<float>(from, block.Dim).CopyTo(new Span<float>(to, block.Dim));
        }
    }

    private float* Scratch(int worker, in Block block)
    {
        long needed = block.WholeNumberFloats + (long)block.Rows * (2 * block.Dim + OnlineSoftmax.Lanes + 1 + block.PaddedDim) + Math.Max(TileKeys * (2L * block.Dim + block.PaddedDim + RowsTogether), FarTokens(block.Group) * block.Group * (block.Dim + 1L));
        if (_scratchFloats[worker] < needed)
        {
            NativeMemory.AlignedFree(_scratch[worker]);
            _scratch[worker] = (float*)NativeMemory.AlignedAlloc((nuint)(needed * sizeof(float)), 64);
            _scratchFloats[worker] = needed;
        }
        return _scratch[worker];
    }

    /// <summary>Tokens [First, End) of a chunk that one worker takes.</summary>
    /// <param name="Block">First token of the block that they belong to.</param>
    /// <param name="BlockEnd">Token after its last.</param>
    private readonly record struct Piece(int First, int End, int Block, int BlockEnd);

    /// <summary>One unit of work: the queries of some tokens and one KV head. Rows are (token, head of the group).</summary>
    /// <param name="KeysEnd">Where the keys end that tokens of the same block see.</param>
    private readonly record struct Block(KvStore Store, int Layer, int KvHead, int Position, int Tokens, int KeysEnd, int Group, int Heads, int? Window, bool Rounded)
    {
        public int Dim => Store.Layout.HeadDim;

        /// <summary>Head dimension rounded up to whole vectors.</summary>
        public int PaddedDim => (Dim + 15) / 16 * 16;

        public int Rows => Tokens * Group;

        public long WholeNumberFloats => Rounded ? WholeNumberTile.Floats(Rows, TileKeys, Dim, PaddedDim) : 0;
    }

    /// <summary>The far rows of a block's KV head, and who searches them.</summary>
    private readonly record struct FarBlock(IndexedRows Rows, int KvHead, int Segments, BlockCascade Cascade);

    /// <summary>A block's scratch memory: its queries, the tile of keys and values, and the running softmax of each row.</summary>
    private readonly ref struct Accumulation(
        float* wholeNumbers, float* query, float* farQuery, float* keys, float* keysTransposed, float* values, float* logits, float* reference, float* laneSums, float* accumulated)
    {
        public readonly float* WholeNumbers = wholeNumbers, Query = query, FarQuery = farQuery, Keys = keys, KeysTransposed = keysTransposed, Values = values, Logits = logits;
        public readonly float* Reference = reference, LaneSums = laneSums, Accumulated = accumulated;
    }
}
