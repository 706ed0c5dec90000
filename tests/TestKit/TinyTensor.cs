using System.Runtime.InteropServices;

namespace Retrieval.TestKit;

/// <summary>A tensor to write into a test checkpoint.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">Type as safetensors spells it (F32, F16, BF16); GGUF types that it lacks go by their ggml name.</param>
/// <param name="Shape">Row-major, rows first, in both formats.</param>
/// <param name="Data">Bytes in the type's own layout.</param>
public sealed record TinyTensor(string Name, string Type, long[] Shape, byte[] Data)
{
    /// <summary>A tensor of 32-bit values, [product of shape].</summary>
    public static TinyTensor F32(string name, float[] values, params long[] shape) =>
        new(name, "F32", shape, MemoryMarshal.AsBytes<float>(values).ToArray());

    /// <summary>Values rounded to 16-bit floats.</summary>
    public static TinyTensor F16(string name, float[] values, params long[] shape) =>
        new(name, "F16", shape, MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, v => (Half)v)).ToArray());

    /// <summary>Values cut to their upper 16 bits.</summary>
    public static TinyTensor BF16(string name, float[] values, params long[] shape) =>
        new(name, "BF16", shape, MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(values, v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16))).ToArray());
}
