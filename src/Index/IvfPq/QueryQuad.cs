using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Index;

/// <summary>
/// One element each of four queries that follow one another in [group, stride], as one vector: chosen rows are a few of a list each,
/// and sums over so little are taken for all queries in one loop. Arrays have room for whole quads; what is in the padding
/// does not matter.
/// </summary>
internal static unsafe class QueryQuad
{
    public const int Queries = 4;

    /// <summary>Queries in whole quads.</summary>
    public static int Pad(int group) => (group + Queries - 1) / Queries * Queries;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* first, nint stride) => Vector128.Create(first[0], first[stride], first[2 * stride], first[3 * stride]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> values, float* first, nint stride)
        => (first[0], first[stride], first[2 * stride], first[3 * stride]) = (values[0], values[1], values[2], values[3]);
}
