using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>Rows of signed bytes with one scale a row: element = scale · byte, symmetric around 0.</summary>
public static unsafe class ByteRow
{
    /// <summary>Largest magnitude of a byte; −128 is not used.</summary>
    public const int Largest = 127;

    // Of halves: the least with all its digits, and the largest.
    private const float LeastNormal = 1f / 16384, LargestHalf = 65504;

    /// <summary>Reference. As <see cref="Narrow"/>.</summary>
    public static float NarrowReference(float* source, sbyte* destination, int count)
    {
        float largest = 0;
        for (int i = 0; i < count; i++)
            largest = MathF.Max(largest, MathF.Abs(source[i]));
        float scale = Scale(largest), inverse = scale > 0 ? 1 / scale : 0;
        for (int i = 0; i < count; i++)
            destination[i] = (sbyte)MathF.Round(source[i] * inverse);
        return scale;
    }

    /// <summary>Rounds a row of finite values to bytes, ties to even.</summary>
    /// <returns>The scale, a number that a half can hold, rounded up so that no byte exceeds 127; 0 for a row of zeros.</returns>
    public static float Narrow(float* source, sbyte* destination, int count)
    {
        if (!Vector256.IsHardwareAccelerated || count % 16 != 0 || count == 0)
            return NarrowReference(source, destination, count);
        Vector512<float> max = default;
        for (int i = 0; i < count; i += 16)
            max = Vector512.MaxNative(max, Vector512.Abs(Vector512.Load(source + i)));
        float largest = AcrossLanes.Largest(max);
        float scale = Scale(largest), inverse = scale > 0 ? 1 / scale : 0;
        for (int i = 0; i < count; i += 16)
        {
            Vector512<int> rounded = Vector512.ConvertToInt32Native(Vector512.Round(Vector512.Load(source + i) * inverse));
            Vector256<short> words = Vector256.Narrow(rounded.GetLower(), rounded.GetUpper());
            Vector128.Narrow(words.GetLower(), words.GetUpper()).Store(destination + i);
        }
        return scale;
    }

    /// <summary>Reference. As <see cref="Widen"/>.</summary>
    public static void WidenReference(sbyte* source, float scale, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = source[i] * scale;
    }

    /// <summary>destination[i] = scale · source[i].</summary>
    public static void Widen(sbyte* source, float scale, float* destination, int count)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                (ByteColumns.Widen(source + i) * scale).Store(destination + i);
        }
        if (i < count)
            WidenReference(source + i, scale, destination + i, count - i);
    }

    private static float Scale(float largest)
    {
        const int Step = 1 << 13;
        float scale = largest / Largest;
        // As a normal half it is a float whose last 13 bits are 0; rounding in those is many times faster than converting.
        if (scale >= LeastNormal && scale < LargestHalf)
        {
            int bits = BitConverter.SingleToInt32Bits(scale) + Step - 1 & -Step;
            float rounded = BitConverter.Int32BitsToSingle(bits);
            return rounded * Largest < largest ? BitConverter.Int32BitsToSingle(bits + Step) : rounded;
        }
        var half = (Half)scale;
        if ((float)half * Largest < largest)
            half = Half.BitIncrement(half);
        return (float)half;
    }
}
