using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Retrieval.TestKit;

namespace Retrieval.Runtime.Tests.Device;

/// <summary>Turns the matrices of a test checkpoint into blocks of 8-bit weights.</summary>
internal static class QuantisedTensor
{
    /// <summary>Q8_0: 32 elements share a 16-bit scale. Vectors stay as they are.</summary>
    public static TinyTensor Q8(TinyTensor tensor)
    {
        if (tensor.Shape.Length == 1)
            return tensor;
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(tensor.Data);
        byte[] data = new byte[values.Length / 32 * 34];
        for (int block = 0; block < values.Length / 32; block++)
        {
            ReadOnlySpan<float> elements = values.Slice(block * 32, 32);
            float largest = 0;
            foreach (float element in elements)
                largest = MathF.Max(largest, MathF.Abs(element));
            var scale = (Half)(largest / 127);
            BinaryPrimitives.WriteHalfLittleEndian(data.AsSpan(block * 34), scale);
            for (int i = 0; i < 32; i++)
                data[block * 34 + 2 + i] = (byte)(sbyte)Math.Clamp(MathF.Round(elements[i] / (float)scale), -127, 127);
        }
        return tensor with { Type = "Q8_0", Data = data };
    }
}
