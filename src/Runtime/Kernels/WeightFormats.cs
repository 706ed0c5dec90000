using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Kernels;

/// <summary>Sizes and dequantisation of every <see cref="TensorType"/>: the one place that maps the type onto its format.</summary>
internal static unsafe class WeightFormats
{
    /// <summary>Elements of a block; a row is a whole number of blocks.</summary>
    internal static int BlockSize(TensorType type) => Layout(type).Size;

    /// <summary>Bytes of a block.</summary>
    internal static int BlockBytes(TensorType type) => Layout(type).Bytes;

    /// <summary>Bytes of a row of <paramref name="columns"/> elements, a multiple of the block size.</summary>
    internal static long RowBytes(TensorType type, int columns)
    {
        (int size, int bytes) = Layout(type);
        Debug.Assert(columns % size == 0);
        return (long)(columns / size) * bytes;
    }

    /// <summary>Elements to float32, by the definition.</summary>
    /// <param name="type">Format of the source.</param>
    /// <param name="source">count / block size blocks.</param>
    /// <param name="destination">[count].</param>
    /// <param name="count">A multiple of the block size.</param>
    internal static void DequantizeReference(TensorType type, byte* source, float* destination, int count)
        => Choose(type, reference: true)(source, destination, count);

    /// <summary>Elements to float32, vectorised; equal to the reference bit for bit (but for payloads of NaNs).</summary>
    /// <param name="type">Format of the source.</param>
    /// <param name="source">count / block size blocks.</param>
    /// <param name="destination">[count].</param>
    /// <param name="count">A multiple of the block size.</param>
    internal static void Dequantize(TensorType type, byte* source, float* destination, int count)
        => Choose(type, reference: !Vector128.IsHardwareAccelerated)(source, destination, count);

    /// <summary>Elements to bfloat16, ties to even: <see cref="Dequantize"/> through a float32 scratch that stays in L1.</summary>
    /// <param name="type">Format of the source.</param>
    /// <param name="source">count / block size blocks.</param>
    /// <param name="destination">[count], bfloat16.</param>
    /// <param name="count">A multiple of the block size.</param>
    [SkipLocalsInit]
    internal static void DequantizeToBFloat16(TensorType type, byte* source, ushort* destination, int count)
    {
        const int Piece = 1024;
        float* scratch = stackalloc float[Piece];
        (int size, int bytes) = Layout(type);
        delegate*<byte*, float*, int, void> dequantize = Choose(type, reference: !Vector128.IsHardwareAccelerated);
        for (int i = 0; i < count; i += Piece)
        {
            int length = Math.Min(Piece, count - i);
            dequantize(source + (long)(i / size) * bytes, scratch, length);
            BFloat16.Pack(scratch, destination + i, length);
        }
    }

    private static (int Size, int Bytes) Layout(TensorType type) => type switch
    {
        TensorType.F32 => Of<F32>(),
        TensorType.F16 => Of<F16>(),
        TensorType.BF16 => Of<BF16>(),
        TensorType.Q4_0 => Of<Q4_0>(),
        TensorType.Q4_1 => Of<Q4_1>(),
        TensorType.Q5_0 => Of<Q5_0>(),
        TensorType.Q5_1 => Of<Q5_1>(),
        TensorType.Q8_0 => Of<Q8_0>(),
        TensorType.Q2_K => Of<Q2_K>(),
        TensorType.Q3_K => Of<Q3_K>(),
        TensorType.Q4_K => Of<Q4_K>(),
        TensorType.Q5_K => Of<Q5_K>(),
        TensorType.Q6_K => Of<Q6_K>(),
        TensorType.IQ4_NL => Of<IQ4_NL>(),
        TensorType.IQ4_XS => Of<IQ4_XS>(),
        _ => throw Unknown(type),
    };

    private static delegate*<byte*, float*, int, void> Choose(TensorType type, bool reference) => type switch
    {
        TensorType.F32 => Choose<F32>(reference),
        TensorType.F16 => Choose<F16>(reference),
        TensorType.BF16 => Choose<BF16>(reference),
        TensorType.Q4_0 => Choose<Q4_0>(reference),
        TensorType.Q4_1 => Choose<Q4_1>(reference),
        TensorType.Q5_0 => Choose<Q5_0>(reference),
        TensorType.Q5_1 => Choose<Q5_1>(reference),
        TensorType.Q8_0 => Choose<Q8_0>(reference),
        TensorType.Q2_K => Choose<Q2_K>(reference),
        TensorType.Q3_K => Choose<Q3_K>(reference),
        TensorType.Q4_K => Choose<Q4_K>(reference),
        TensorType.Q5_K => Choose<Q5_K>(reference),
        TensorType.Q6_K => Choose<Q6_K>(reference),
        TensorType.IQ4_NL => Choose<IQ4_NL>(reference),
        TensorType.IQ4_XS => Choose<IQ4_XS>(reference),
        _ => throw Unknown(type),
    };

    private static (int Size, int Bytes) Of<TFormat>() where TFormat : IWeightFormat => (TFormat.BlockSize, TFormat.BlockBytes);

    private static delegate*<byte*, float*, int, void> Choose<TFormat>(bool reference) where TFormat : IWeightFormat
        => reference ? &TFormat.DequantizeReference : &TFormat.Dequantize;

    internal static InputException Unknown(TensorType type)
        => new($"Tensor type {(int)type} is not one this program reads; use a checkpoint in "
            + $"{string.Join(", ", Enum.GetNames<TensorType>())}.");
}
