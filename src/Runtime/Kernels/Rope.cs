using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Rotary position embedding of one head: pair j of <c>dims / 2</c> is rotated by an angle whose cosine and sine are given.
/// Pairs are (j, j + dims / 2), as Hugging Face checkpoints have them, or adjacent, (2 j, 2 j + 1), as GGUF files of the
/// Llama family have them. (a, b) becomes (a cos - b sin, b cos + a sin). Su et al., RoFormer, arXiv:2104.09864.
/// </summary>
internal static unsafe class Rope
{
    /// <summary>The definition. Parameters as for <see cref="Apply"/>.</summary>
    internal static void ApplyReference(float* head, float* cos, float* sin, int dims, bool adjacentPairs)
    {
        for (int j = 0; j < dims / 2; j++)
        {
            int first = adjacentPairs ? 2 * j : j;
            int second = adjacentPairs ? 2 * j + 1 : j + dims / 2;
            float a = head[first], b = head[second];
            head[first] = a * cos[j] - b * sin[j];
            head[second] = b * cos[j] + a * sin[j];
        }
    }

    /// <summary>Rotates in place.</summary>
    /// <param name="head">[dims] (a partial rotation passes its first dims elements only).</param>
    /// <param name="cos">[dims / 2], of this position.</param>
    /// <param name="sin">[dims / 2].</param>
    /// <param name="dims">Even.</param>
    /// <param name="adjacentPairs">Pairs are (2 j, 2 j + 1) rather than (j, j + dims / 2).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply(float* head, float* cos, float* sin, int dims, bool adjacentPairs)
    {
        if (!Vector128.IsHardwareAccelerated)
            ApplyReference(head, cos, sin, dims, adjacentPairs);
        else if (adjacentPairs)
            Adjacent(head, cos, sin, dims / 2);
        else
            Halves(head, head + dims / 2, cos, sin, dims / 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Halves(float* first, float* second, float* cos, float* sin, int pairs)
    {
        int j = 0;
        for (; j <= pairs - 16; j += 16)
        {
            Vector512<float> a = Vector512.Load(first + j), b = Vector512.Load(second + j);
            Vector512<float> c = Vector512.Load(cos + j), s = Vector512.Load(sin + j);
            (a * c - b * s).Store(first + j);
            (b * c + a * s).Store(second + j);
        }
        for (; j < pairs; j++)
        {
            float a = first[j], b = second[j];
            first[j] = a * cos[j] - b * sin[j];
            second[j] = b * cos[j] + a * sin[j];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Adjacent(float* head, float* cos, float* sin, int pairs)
    {
        Vector256<int> twice = Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3);
        Vector256<int> swap = Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6);
        Vector256<float> sign = Vector256.Create(-0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f);
        int j = 0;
        for (; j <= pairs - 4; j += 4)
        {
            Vector256<float> ab = Vector256.Load(head + 2 * j);
            Vector256<float> c = Vector256.Shuffle(Vector256.Create(Vector128.Load(cos + j), default), twice);
            Vector256<float> s = Vector256.Shuffle(Vector256.Create(Vector128.Load(sin + j), default), twice) ^ sign;
            (ab * c + Vector256.Shuffle(ab, swap) * s).Store(head + 2 * j);
        }
        ApplyReference(head + 2 * j, cos + j, sin + j, 2 * (pairs - j), adjacentPairs: true);
    }
}
