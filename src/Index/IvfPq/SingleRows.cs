using System.Runtime.CompilerServices;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Attention over single rows, wherever they lie, all bytes or all halves: bytes are multiplied as they are, halves are widened to a tile first.</summary>
internal static unsafe class SingleRows
{
    // Addresses and scales of so many are gathered at a time.
    private const int Some = 64;

    /// <summary>Logits of rows.</summary>
    /// <param name="queries">[group, dim]</param>
    /// <param name="logits">[group, stride]</param>
    [SkipLocalsInit]
    public static void Score(PackedRow* rows, int count, int dim, float* queries, int group, float* logits, int stride)
    {
        if (count > 0 && rows->IsHalves)
        {
            ScoreHalves(rows, count, dim, queries, group, logits, stride);
            return;
        }
        nint* keys = stackalloc nint[Some];
        float* scales = stackalloc float[Some];
        for (int first = 0; first < count; first += Some)
        {
            int some = Math.Min(Some, count - first);
            for (int i = 0; i < some; i++)
                (keys[i], scales[i]) = (rows[first + i].Elements, rows[first + i].KeyScale);
            ByteRowScores.Compute(keys, scales, some, dim, queries, group, logits + first, stride);
        }
    }

    /// <summary>Adds the rows' values, weighted.</summary>
    /// <param name="weights">[group, stride]</param>
    /// <param name="output">[group, dim]</param>
    [SkipLocalsInit]
    public static void Add(PackedRow* rows, int count, int dim, float* weights, int stride, int group, float* output)
    {
        if (count > 0 && rows->IsHalves)
        {
            AddHalves(rows, count, dim, weights, stride, group, output);
            return;
        }
        nint* values = stackalloc nint[Some];
        float* scales = stackalloc float[Some], scaled = stackalloc float[group * Some];
        for (int first = 0; first < count; first += Some)
        {
            int some = Math.Min(Some, count - first);
            for (int i = 0; i < some; i++)
                (values[i], scales[i]) = (rows[first + i].Elements + dim, rows[first + i].ValueScale);
            for (int g = 0; g < group; g++)
            {
                for (int i = 0; i < some; i++)
                    scaled[g * Some + i] = weights[(long)g * stride + first + i] * scales[i];
            }
            WeightedByteRows.Accumulate(null, values, some, dim, scaled, Some, group, output);
        }
    }

    private static void ScoreHalves(PackedRow* rows, int count, int dim, float* queries, int group, float* logits, int stride)
    {
        float* tile = stackalloc float[PackedRows.TileRows * dim];
        for (int first = 0; first < count; first += PackedRows.TileRows)
        {
            int some = Math.Min(PackedRows.TileRows, count - first);
            for (int i = 0; i < some; i++)
                rows[first + i].ReadKey(dim, tile + i * dim);
            TileScores.Compute(tile, some, dim, queries, group, logits + first, stride);
        }
    }

    private static void AddHalves(PackedRow* rows, int count, int dim, float* weights, int stride, int group, float* output)
    {
        float* tile = stackalloc float[PackedRows.TileRows * dim];
        for (int first = 0; first < count; first += PackedRows.TileRows)
        {
            int some = Math.Min(PackedRows.TileRows, count - first);
            for (int i = 0; i < some; i++)
                rows[first + i].ReadValue(dim, tile + i * dim);
            TileWeightedSum.Accumulate(tile, some, dim, weights + first, stride, group, output);
        }
    }
}
