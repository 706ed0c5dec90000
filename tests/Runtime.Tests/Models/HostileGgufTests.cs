using System.Text;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>GGUF files that are damaged or made to hurt: each is one sentence with the value in it.</summary>
public sealed class HostileGgufTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private GgufFile Open(byte[] file)
    {
        File.WriteAllBytes(_folder["x.gguf"], file);
        return GgufFile.Open(_folder["x.gguf"]);
    }

    /// <summary>A file from numbers and texts written one after the other; texts get their 64-bit length.</summary>
    private static byte[] Raw(params object[] parts)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        foreach (object part in parts)
        {
            switch (part)
            {
                case uint v: writer.Write(v); break;
                case ulong v: writer.Write(v); break;
                case byte v: writer.Write(v); break;
                case string v: writer.Write((ulong)v.Length); writer.Write(Encoding.ASCII.GetBytes(v)); break;
                case byte[] v: writer.Write(v); break;
            }
        }
        return stream.ToArray();
    }

    private const uint Magic = 0x46554747;

    /// <summary>Header of a file with one metadata entry, whose rest follows.</summary>
    private static object[] Key(params object[] value) => [Magic, 3u, 0UL, 1UL, "k", .. value];

    /// <summary>Header of a file with one tensor of the given dimensions, type and offset, and 64 bytes of data.</summary>
    private static object[] Tensor(ulong[] dimensions, uint type, ulong offset) =>
        [Magic, 3u, 1UL, 0UL, "t", (uint)dimensions.Length, .. dimensions.Cast<object>(), type, offset, new byte[32 + 64]];

    public static TheoryData<object[], string> Wrong => new()
    {
        { [0x12345678u, 3u], "0x12345678" },
        { [new byte[3]], "magic number" },
        { [Magic, 1u, 0u, 0u], "version 1" },
        { [Magic, 4u, 0UL, 0UL], "version 4" },
        { [Magic, 0x03000000u, 0UL, 0UL], "big-endian" },
        { [Magic, 3u, 1UL], "metadata count" },
        { [Magic, 3u, ulong.MaxValue, 0UL], "tensor 0 of 18446744073709551615" },
        { [Magic, 3u, 0UL, ulong.MaxValue], "key 0 of 18446744073709551615" },
        { [Magic, 3u, 0UL, 1UL, ulong.MaxValue], "18446744073709551615 × 1 bytes" },
        { [Magic, 3u, 0UL, 1UL, 1UL << 40, 0UL], "1099511627776 × 1 bytes" },
        { Key(13u, 0UL), "value type 13" },
        { Key(8u, 1UL << 63), "9223372036854775808 × 1 bytes" },
        { Key(9u, 4u, ulong.MaxValue), "18446744073709551615 × 4 bytes" },
        { Key(9u, 12u, 1UL << 61, 0UL), "2305843009213693952 × 8 bytes" },
        { Key(9u, 8u, 1UL << 33, new byte[64]), "8589934592 × 8 bytes" },
        { Key(9u, 7u, 5UL, new byte[4]), "5 × 1 bytes" },
        { Key(9u, 9u, 1UL), "array of arrays" },
        { Key(9u, 99u, 1UL), "value type 99" },
        { Key(7u, (byte)2), "holds 2" },
        { [Magic, 3u, 0UL, 2UL, "k", 4u, 1u, "k", 4u, 1u], "key k twice" },
        { [Magic, 3u, 0UL, 1UL, "general.alignment", 4u, 33u], "general.alignment is 33" },
        { [Magic, 3u, 0UL, 1UL, "general.alignment", 4u, 0u], "general.alignment is 0" },
        { [Magic, 3u, 0UL, 1UL, "general.alignment", 4u, 1u << 31], "general.alignment is 2147483648" },
        { [Magic, 3u, 0UL, 1UL, "general.alignment", 8u, "32"], "general.alignment is 32" },
        { Tensor([], 0, 0), "0 dimensions" },
        { Tensor([1, 1, 1, 1, 1], 0, 0), "5 dimensions" },
        { Tensor([0], 0, 0), "dimension of 0" },
        { Tensor([ulong.MaxValue], 0, 0), "18446744073709551615" },
        { Tensor([1UL << 30, 1UL << 30], 0, 0), "1073741824" },
        { Tensor([4], 999, 0), "tensor t has type 999" },
        { Tensor([4], 4, 0), "tensor t has type 4" },
        { Tensor([33], 2, 0), "33 columns" },
        { Tensor([32, 3], 12, 0), "32 columns" },
        { Tensor([4], 0, 7), "offset 7" },
        { Tensor([4], 0, ulong.MaxValue), "offset 18446744073709551615" },
        { Tensor([4], 0, 1UL << 62), "offset 4611686018427387904" },
        { Tensor([64], 0, 0), "256 bytes at offset 0" },
        { [Magic, 3u, 2UL, 0UL, "t", 1u, 16UL, 0u, 0UL, "u", 1u, 16UL, 0u, 32UL, new byte[160]], "tensor u at offset 32 overlaps" },
        { [Magic, 3u, 2UL, 0UL, "t", 1u, 8UL, 0u, 0UL, "t", 1u, 8UL, 0u, 32UL, new byte[160]], "tensor t twice" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void HeadersThatLieAreRefused(object[] parts, string inMessage)
    {
        string message = Assert.Throws<InputException>(() => Open(Raw(parts)).Dispose()).Message;
        Assert.Contains(inMessage, message);
        Assert.Contains("x.gguf", message);
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(3u)]
    public void EveryValueTypeComesBackAsItself(uint version)
    {
        var metadata = new Dictionary<string, object>
        {
            ["a"] = (byte)200,
            ["b"] = (sbyte)-3,
            ["c"] = (ushort)60_000,
            ["d"] = (short)-4,
            ["e"] = 4_000_000_000u,
            ["f"] = -5,
            ["g"] = 0.5f,
            ["h"] = true,
            ["i"] = "tëxt",
            ["j"] = ulong.MaxValue,
            ["k"] = long.MinValue,
            ["l"] = 0.1,
            ["m"] = new[] { "x", "", "zz" },
            ["n"] = new[] { 1f, -2f },
            ["o"] = new[] { -1, 2 },
            ["p"] = new[] { 7u },
            ["q"] = new[] { true, false },
            ["r"] = new byte[] { 1, 2 },
            ["s"] = Array.Empty<float>(),
            ["t"] = new[] { 1.5 },
            ["general.alignment"] = 64u,
        };
        using GgufFile file = Open(TinyGguf.Bytes(metadata, [TinyTensor.F32("w", [1, 2, 3, 4, 5, 6], 2, 3), TinyTensor.F16("v", [1], 1)], version));
        Assert.Equal(metadata.Keys, file.Metadata.Keys);
        foreach ((string key, object value) in metadata)
        {
            Assert.Equal(value, file.Metadata[key]);
            Assert.Equal(value.GetType(), file.Metadata[key].GetType());
        }
        Assert.Equal([2, 3], file.Tensors["w"].Shape);
        Assert.Equal((24, TensorType.F32), (file.Tensors["w"].Bytes, file.Tensors["w"].Type));
        Assert.Equal(64, file.Tensors["v"].Data - file.Tensors["w"].Data);
    }

    [Theory]
    [InlineData(TensorType.Q4_0, 32, 18)]
    [InlineData(TensorType.Q4_1, 32, 20)]
    [InlineData(TensorType.Q8_0, 32, 34)]
    [InlineData(TensorType.Q4_K, 256, 144)]
    [InlineData(TensorType.Q6_K, 256, 210)]
    [InlineData(TensorType.IQ4_XS, 256, 136)]
    public void QuantisedSizesAreThoseOfTheirBlocks(TensorType type, int columns, int rowBytes)
    {
        var tensor = new TinyTensor("w", type.ToString(), [3, columns], new byte[3 * rowBytes]);
        using GgufFile file = Open(TinyGguf.Bytes(new Dictionary<string, object>(), [tensor]));
        Assert.Equal((3L * rowBytes, type), (file.Tensors["w"].Bytes, file.Tensors["w"].Type));
    }

    public void Dispose() => _folder.Dispose();
}
