using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

public static unsafe class ByteRow
{
    public static float Narrow(float* source, sbyte* destination, int count)
    {
        float largest = 0;
        for (int i = 0; i < count; i++)
            largest = MathF.Max(largest, MathF.Abs(source[i]));
        Half half = (Half)(largest / 127);
        if ((float)half < largest / 127)
            half = Half.BitIncrement(half);
        float scale = (float)half, inverse = scale > 0 ? 1 / scale : 0;
        for (int i = 0; i < count; i++)
            destination[i] = (sbyte)Math.Clamp(MathF.Round(source[i] * inverse), -127, 127);
        return scale;
    }

    public static void Widen(sbyte* source, float scale, float* destination, int count)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                (ByteColumns.Widen(source + i) * scale).Store(destination + i);
        }
        for (; i < count; i++)
            destination[i] = source[i] * scale;
    }
}
