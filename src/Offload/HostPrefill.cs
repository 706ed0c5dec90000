using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// Exact causal attention of a chunk of tokens over all rows of a <see cref="KvStore"/> up to themselves, on the processor:
/// blocked, with online softmax, so that no buffer grows with the context (FlashAttention, arXiv 2205.14135). A block of
/// queries of all heads of a group meets each tile of keys once.
/// </summary>
public sealed unsafe class HostPrefill(WorkerPool workers) : IDisposable
{
    private const int TileKeys = 64;
    private const int BlockRows = 384;

    private readonly float*[] _scratch = new float*[workers.Threads];
    private readonly long[] _scratchFloats = new long[workers.Threads];

    /// <summary>Attention outputs of tokens whose keys and values are already in the store.</summary>
    /// <param name="position">Position of the first token.</param>
    /// <param name="window">A token sees itself and the window − 1 before it; null: all.</param>
    /// <param name="queries">[tokens, heads, headDim], after RoPE, not scaled.</param>
    /// <param name="output">[tokens, heads, headDim]</param>
    public void Attend(KvStore store, int layer, int position, int tokens, int heads, int? window, float* queries, float* output)
    {
        int kvHeads = store.Layout.KvHeads, group = heads / kvHeads, blockTokens = Math.Max(1, BlockRows / group);
        int blocks = (tokens + blockTokens - 1) / blockTokens;
        workers.For(blocks * kvHeads, 1, (worker, unit, _) =>
        {
            // Later blocks see more keys: taken first, so that the workers finish together.
            int block = blocks - 1 - unit / kvHeads, kvHead = unit % kvHeads, first = block * blockTokens;
            var shape = new Block(store, layer, kvHead, position + first, Math.Min(blockTokens, tokens - first), group, heads, window);
            long offset = ((long)first * heads + kvHead * group) * store.Layout.HeadDim;
            AttendBlock(shape, queries + offset, output + offset, Scratch(worker, shape));
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

    private static void AttendBlock(in Block block, float* queries, float* output, float* scratch)
    {
        int dim = block.Dim, padded = block.PaddedDim, rows = block.Rows;
        float* query = scratch, laneSums = query + rows * dim, reference = laneSums + rows * BlockSoftmax.Lanes, accumulated = reference + rows;
        float* keys = accumulated + rows * padded, keysTransposed = keys + TileKeys * dim, values = keysTransposed + TileKeys * dim;
        float* logits = values + TileKeys * padded;
        GatherQueries(block, queries, query);
        new Span<float>(laneSums, rows * BlockSoftmax.Lanes).Clear();
        new Span<float>(reference, rows).Fill(float.NegativeInfinity);
        new Span<float>(accumulated, rows * padded).Clear();

        int firstKey = block.Window is { } w ? Math.Max(0, block.Position - w + 1) : 0, lastKey = block.Position + block.Tokens;
        for (int key = firstKey; key < lastKey; key += TileKeys)
        {
            int count = Math.Min(TileKeys, lastKey - key);
            LoadTile(block, key, count, keys, keysTransposed, values);
            bool masked = key + TileKeys > block.Position + 1 || (block.Window is { } span && key <= block.Position + block.Tokens - 1 - span);
            for (int row = 0; row < rows; row += 6)
            {
                int some = Math.Min(6, rows - row);
                PanelMultiply.Multiply(query + row * dim, dim, keysTransposed, TileKeys, logits, TileKeys, some, dim, TileKeys, false);
                for (int r = 0; r < some; r++)
                {
                    float* rowLogits = logits + r * TileKeys;
                    if (masked)
                        Mask(block, row + r, key, rowLogits);
                    float rescale = BlockSoftmax.Step(rowLogits, TileKeys, ref reference[row + r], laneSums + (row + r) * BlockSoftmax.Lanes);
                    if (rescale != 1)
                        Scale(new Span<float>(accumulated + (row + r) * padded, padded), rescale);
                }
                PanelMultiply.Multiply(logits, TileKeys, values, padded, accumulated + row * padded, padded, some, count, padded, true);
            }
        }
        ScatterOutputs(block, accumulated, laneSums, output);
    }

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

    private static void Mask(in Block block, int row, int key, float* logits)
    {
        int position = block.Position + row / block.Group;
        int end = Math.Clamp(position + 1 - key, 0, TileKeys);
        new Span<float>(logits + end, TileKeys - end).Fill(float.NegativeInfinity);
        if (block.Window is { } window)
            new Span<float>(logits, Math.Clamp(position - window + 1 - key, 0, TileKeys)).Fill(float.NegativeInfinity);
    }

    private static void Scale(Span<float> row, float factor) => TensorPrimitives.Multiply(row, factor, row);

    private static void ScatterOutputs(in Block block, float* accumulated, float* laneSums, float* output)
    {
        for (int row = 0; row < block.Rows; row++)
        {
            float scale = 1 / BlockSoftmax.Sum(laneSums + row * BlockSoftmax.Lanes);
            float* from = accumulated + row * block.PaddedDim;
            float* to = output + ((long)(row / block.Group) * block.Heads + row % block.Group) * block.Dim;
            TensorPrimitives.Multiply(new ReadOnlySpan<float>(from, block.Dim), scale, new Span<float>(to, block.Dim));
        }
    }

    private float* Scratch(int worker, in Block block)
    {
        long needed = (long)block.Rows * (block.Dim + BlockSoftmax.Lanes + 1 + block.PaddedDim) + TileKeys * (2L * block.Dim + block.PaddedDim + 6);
        if (_scratchFloats[worker] < needed)
        {
            NativeMemory.AlignedFree(_scratch[worker]);
            _scratch[worker] = (float*)NativeMemory.AlignedAlloc((nuint)(needed * sizeof(float)), 64);
            _scratchFloats[worker] = needed;
        }
        return _scratch[worker];
    }

    /// <summary>One unit of work: the queries of some tokens and one KV head. Rows are (token, head of the group).</summary>
    private readonly record struct Block(KvStore Store, int Layer, int KvHead, int Position, int Tokens, int Group, int Heads, int? Window)
    {
        public int Dim => Store.Layout.HeadDim;

        /// <summary>Head dimension rounded up to whole vectors.</summary>
        public int PaddedDim => (Dim + 15) / 16 * 16;

        public int Rows => Tokens * Group;
    }
}
