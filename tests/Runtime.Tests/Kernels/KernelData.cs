using System.Buffers.Binary;
using System.Text.Json;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Kernels;

/// <summary>Seeded inputs and the golden file for the kernel tests.</summary>
internal static unsafe class KernelData
{
    public static readonly int[] Lengths = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 576, 1000, 1031];

    public static TheoryData<int> LengthTheory => [.. Lengths];

    public static TheoryData<TensorType> TypeTheory => [.. Enum.GetValues<TensorType>()];

    /// <summary>Standard normal values.</summary>
    public static float[] Normal(int length, int seed, float scale = 1)
    {
        Random random = new(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++)
            values[i] = scale * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }

    /// <summary>Any bits at all: subnormals, infinities and NaNs included.</summary>
    public static float[] AnyBits(int length, int seed)
    {
        Random random = new(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++)
            values[i] = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
        return values;
    }

    /// <summary>Rows of random blocks whose half-precision scales are ordinary numbers: [rows * row bytes].</summary>
    public static byte[] Weights(TensorType type, int rows, int columns, int seed)
    {
        Random random = new(seed);
        byte[] bytes = new byte[rows * WeightFormats.RowBytes(type, columns)];
        random.NextBytes(bytes);
        int blockBytes = WeightFormats.BlockBytes(type);
        for (int block = 0; block < bytes.Length; block += blockBytes)
        {
            Span<byte> at = bytes.AsSpan(block, blockBytes);
            switch (type)
            {
                case TensorType.F32:
                    BinaryPrimitives.WriteSingleLittleEndian(at, Scale());
                    break;
                case TensorType.BF16:
                    BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)(BitConverter.SingleToUInt32Bits(Scale()) >> 16));
                    break;
                default:
                    foreach (int offset in ScaleOffsets(type))
                        BinaryPrimitives.WriteHalfLittleEndian(at[offset..], (Half)Scale());
                    break;
            }
        }
        return bytes;

        float Scale() => (random.NextSingle() - 0.5f) / 16;
    }

    /// <summary>Where a block has its half-precision numbers.</summary>
    public static int[] ScaleOffsets(TensorType type) => type switch
    {
        TensorType.Q4_1 or TensorType.Q5_1 or TensorType.Q4_K or TensorType.Q5_K => [0, 2],
        TensorType.Q2_K => [80, 82],
        TensorType.Q3_K => [108],
        TensorType.Q6_K => [208],
        _ => [0],
    };

    /// <summary>A tensor of Golden/gguf-dequant.safetensors: bytes and values that ggml's own converter made.</summary>
    public static byte[] Golden(string name)
    {
        byte[] file = File.ReadAllBytes(Path.Combine(SharedFiles.RepositoryRoot, "tests/Runtime.Tests/Golden/gguf-dequant.safetensors"));
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument json = JsonDocument.Parse(file.AsMemory(8, header));
        JsonElement offsets = json.RootElement.GetProperty(name).GetProperty("data_offsets");
        return file[(8 + header + offsets[0].GetInt32())..(8 + header + offsets[1].GetInt32())];
    }

    public static uint Bits(float value) => float.IsNaN(value) ? 0x7FC00000 : BitConverter.SingleToUInt32Bits(value);

    public static uint[] Bits(ReadOnlySpan<float> values)
    {
        uint[] bits = new uint[values.Length];
        for (int i = 0; i < bits.Length; i++)
            bits[i] = Bits(values[i]);
        return bits;
    }
}
