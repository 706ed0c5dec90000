using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>Turns a tile of rows into a tile of columns.</summary>
public static unsafe class Transpose
{
    /// <summary>Reference. Shapes as in <see cref="Apply"/>.</summary>
    public static void ApplyReference(float* source, int rows, int columns, float* destination, int stride)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
                destination[c * stride + r] = source[r * columns + c];
        }
    }

    /// <summary>destination[c, r] = source[r, c].</summary>
    /// <param name="source">[rows, columns]</param>
    /// <param name="destination">[columns, stride]; the first <paramref name="rows"/> of each are written.</param>
    public static void Apply(float* source, int rows, int columns, float* destination, int stride)
    {
        if (!Sse.IsSupported || rows % 4 != 0 || columns % 4 != 0)
        {
            ApplyReference(source, rows, columns, destination, stride);
            return;
        }
        for (int r = 0; r < rows; r += 4)
        {
            float* from = source + r * columns, to = destination + r;
            for (int c = 0; c < columns; c += 4, from += 4, to += 4 * stride)
                FourByFour(from, columns, to, stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourByFour(float* from, int columns, float* to, int stride)
    {
        Vector128<float> a = Vector128.Load(from), b = Vector128.Load(from + columns);
        Vector128<float> c = Vector128.Load(from + 2 * columns), d = Vector128.Load(from + 3 * columns);
        Vector128<float> ab = Sse.UnpackLow(a, b), cd = Sse.UnpackLow(c, d), abHigh = Sse.UnpackHigh(a, b), cdHigh = Sse.UnpackHigh(c, d);
        Sse.MoveLowToHigh(ab, cd).Store(to);
        Sse.MoveHighToLow(cd, ab).Store(to + stride);
        Sse.MoveLowToHigh(abHigh, cdHigh).Store(to + 2 * stride);
        Sse.MoveHighToLow(cdHigh, abHigh).Store(to + 3 * stride);
    }
}
