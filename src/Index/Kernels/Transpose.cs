using System.Runtime.Intrinsics;

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
        if (!Vector128.IsHardwareAccelerated || rows % 4 != 0 || columns % 4 != 0)
        {
            ApplyReference(source, rows, columns, destination, stride);
            return;
        }
        for (int r = 0; r < rows; r += 4)
        {
            float* from = source + r * columns;
            for (int c = 0; c < columns; c += 4)
            {
                Vector128<float> a = Vector128.Load(from + c), b = Vector128.Load(from + columns + c);
                Vector128<float> d = Vector128.Load(from + 2 * columns + c), e = Vector128.Load(from + 3 * columns + c);
                Vector128<float> ab = Low(a, b), de = Low(d, e), abHigh = High(a, b), deHigh = High(d, e);
                float* to = destination + c * stride + r;
                Vector128.Create(ab.GetLower(), de.GetLower()).Store(to);
                Vector128.Create(ab.GetUpper(), de.GetUpper()).Store(to + stride);
                Vector128.Create(abHigh.GetLower(), deHigh.GetLower()).Store(to + 2 * stride);
                Vector128.Create(abHigh.GetUpper(), deHigh.GetUpper()).Store(to + 3 * stride);
            }
        }
    }

    private static Vector128<float> Low(Vector128<float> a, Vector128<float> b)
        => System.Runtime.Intrinsics.X86.Sse.IsSupported
            ? System.Runtime.Intrinsics.X86.Sse.UnpackLow(a, b)
            : Vector128.Create(a[0], b[0], a[1], b[1]);

    private static Vector128<float> High(Vector128<float> a, Vector128<float> b)
        => System.Runtime.Intrinsics.X86.Sse.IsSupported
            ? System.Runtime.Intrinsics.X86.Sse.UnpackHigh(a, b)
            : Vector128.Create(a[2], b[2], a[3], b[3]);
}
