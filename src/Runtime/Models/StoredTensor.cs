namespace Retrieval.Runtime.Models;

/// <summary>Element types that checkpoints hold. Values equal ggml_type, as GGUF stores it; safetensors types map onto them.</summary>
public enum TensorType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    IQ4_NL = 20,
    IQ4_XS = 23,
    BF16 = 30,
}

/// <summary>A tensor inside a memory-mapped checkpoint, checked to lie inside its file.</summary>
/// <param name="Name">Hugging Face name, whatever the file format.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">[rows, columns] or [elements], row-major, as Hugging Face has it.</param>
/// <param name="Data">Address of the first byte; valid while the checkpoint is open.</param>
/// <param name="Bytes">Length in bytes.</param>
public sealed record StoredTensor(string Name, TensorType Type, IReadOnlyList<int> Shape, nint Data, long Bytes)
{
    public int Rows => Shape.Count == 1 ? 1 : Shape[0];

    /// <summary>Elements of a row (all of them for a vector).</summary>
    public int Columns => Shape[^1];
}
