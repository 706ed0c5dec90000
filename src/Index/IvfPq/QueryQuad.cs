using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// One element each of four queries as one vector: chosen rows are a few of a list each, and sums over so little are taken for all
/// queries in one loop. In [quads, rows, 4] they lie together; from [group, rows] they come and to it they go by a transposition. Arrays have
/// room for whole quads; what is in the padding does not matter.
/// </summary>
internal static unsafe class QueryQuad
{
    public const int Queries = 4;

    /// <summary>Queries in whole quads.</summary>
    public static int Pad(int group) => (group + Queries - 1) / Queries * Queries;

    /// <summary>Elements of four queries that follow one another in [group, stride].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* first, nint stride) => Vector128.Create(first[0], first[stride], first[2 * stride], first[3 * stride]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> values, float* first, nint stride)
        => (first[0], first[stride], first[2 * stride], first[3 * stride]) = (values[0], values[1], values[2], values[3]);

    /// <summary>[group, rows] → [quads, rows, 4].</summary>
    /// <param name="rows">A multiple of 4.</param>
    public static void ToQuads(float* weights, int group, int rows, float* quads)
    {
        for (int g = 0; g < group; g += Queries)
            Transpose.Apply(weights + (long)g * rows, Queries, rows, quads + (long)g * rows, Queries);
    }

    /// <summary>[quads, rows, 4] → [group, rows].</summary>
    /// <param name="rows">A multiple of 4.</param>
    public static void FromQuads(float* quads, int group, int rows, float* weights)
    {
        for (int g = 0; g < group; g += Queries)
            Transpose.Apply(quads + (long)g * rows, rows, Queries, weights + (long)g * rows, rows);
    }
}
