namespace Retrieval.Runtime.Models;

/// <summary>Sizes of the element types: quantised types store blocks of some elements in some bytes (ggml-common.h).</summary>
internal static class TensorLayout
{
    /// <summary>Elements in a block, and bytes that it takes; (1, size) for the plain types.</summary>
    public static (int Elements, int Bytes) Block(TensorType type) => type switch
    {
        TensorType.F32 => (1, 4),
        TensorType.F16 or TensorType.BF16 => (1, 2),
        TensorType.Q4_0 or TensorType.IQ4_NL => (32, 18),
        TensorType.Q4_1 => (32, 20),
        TensorType.Q5_0 => (32, 22),
        TensorType.Q5_1 => (32, 24),
        TensorType.Q8_0 => (32, 34),
        TensorType.Q2_K => (256, 84),
        TensorType.Q3_K => (256, 110),
        TensorType.Q4_K => (256, 144),
        TensorType.Q5_K => (256, 176),
        TensorType.Q6_K => (256, 210),
        TensorType.IQ4_XS => (256, 136),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type"),
    };
}

/// <summary>A tensor as a file lists it, before anyone asked whether the model needs it.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">Element type, or null when this program cannot compute with it.</param>
/// <param name="TypeName">The file's own word for the type.</param>
/// <param name="Shape">Row-major: rows first, columns last.</param>
/// <param name="Data">Address of the first byte.</param>
/// <param name="Bytes">Length in bytes, inside the file.</param>
internal sealed record FileTensor(string Name, TensorType? Type, string TypeName, IReadOnlyList<long> Shape, nint Data, long Bytes);
