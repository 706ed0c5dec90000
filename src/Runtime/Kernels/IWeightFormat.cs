namespace Retrieval.Runtime.Kernels;

/// <summary>
/// One storage format of weights: blocks of <see cref="BlockSize"/> elements in <see cref="BlockBytes"/> bytes, rows being
/// whole numbers of blocks. Formats are structs with static members so that a kernel generic over them compiles to
/// straight code. Layouts and formulas are ggml's: src/ggml-common.h (block structs) and src/ggml-quants.c
/// (dequantize_row_*) of github.com/ggml-org/ggml.
/// </summary>
internal unsafe interface IWeightFormat
{
    /// <summary>Elements of a block.</summary>
    static abstract int BlockSize { get; }

    /// <summary>Bytes of a block.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>The definition, element by element. <paramref name="count"/> is a multiple of the block size.</summary>
    static abstract void DequantizeReference(byte* source, float* destination, int count);

    /// <summary>
    /// The same values, bit for bit, sixteen at a time. Callers check
    /// <see cref="System.Runtime.Intrinsics.Vector128.IsHardwareAccelerated"/>.
    /// </summary>
    static abstract void Dequantize(byte* source, float* destination, int count);
}
