using System.Buffers.Binary;
using System.Text;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>Safetensors files that are damaged or made to hurt: each is one sentence with the value in it.</summary>
public sealed class HostileSafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Message(byte[] file)
    {
        File.WriteAllBytes(_folder["x.safetensors"], file);
        return Assert.Throws<InputException>(() => SafetensorsFile.OpenSingle(_folder["x.safetensors"]).Dispose()).Message;
    }

    [Theory]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", "not valid JSON")]
    [InlineData("""[1]""", "Array")]
    [InlineData("""{"a": 1}""", "tensor a must have")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2]}}""", "tensor a must have")]
    [InlineData("""{"a": {"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", "tensor a must have")]
    [InlineData("""{"a": {"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", "tensor a must have")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}""", "tensor a must have")]
    [InlineData("""{"a": {"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "-2")]
    [InlineData("""{"a": {"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", "\"2\"")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "2.5")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", "-8")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "[8, 0]")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}}""", "9223372036854775807")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}""", "99999999999999999999")]
    [InlineData("""{"a": {"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", "[4, 12]")]
    [InlineData("""{"a": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "byte 4")]
    [InlineData("""{"a": {"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "F32 [3]")]
    [InlineData("""{"a": {"dtype":"F16","shape":[2],"data_offsets":[0,8]}}""", "F16 [2]")]
    [InlineData("""{"a": {"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}""", "4294967296")]
    [InlineData("""{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "b": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "starts at byte 0")]
    [InlineData("""{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "end at byte 4")]
    [InlineData("""{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "a": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "'a'")]
    [InlineData("""{"\ud800": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "not valid JSON")]
    [InlineData("{}", "end at byte 0")]
    [InlineData("", "not valid JSON")]
    public void HeadersThatLieAreRefused(string header, string inMessage) =>
        Assert.Contains(inMessage, Message(TinyCheckpoint.Safetensors(header, new byte[8])));

    [Fact]
    public void DeepNestingIsRefused() =>
        Assert.Contains("depth", Message(TinyCheckpoint.Safetensors("{\"a\":" + new string('[', 100_000) + new string(']', 100_000) + "}", [])));

    [Fact]
    public void InvalidUtf8IsRefused()
    {
        byte[] file = TinyCheckpoint.Safetensors("""{"?": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", new byte[8]);
        file[10] = 0xff;
        Assert.Contains("UTF-8", Message(file));
    }

    [Theory]
    [InlineData(0UL, "not valid JSON")]
    [InlineData(72UL, "header of 72 bytes")]
    [InlineData(ulong.MaxValue, "18446744073709551615")]
    [InlineData(1UL << 62, "4611686018427387904")]
    public void HeaderLengthsBeyondTheFileAreRefused(ulong length, string inMessage)
    {
        byte[] file = new byte[79];
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        Assert.Contains(inMessage, Message(file));
    }

    [Fact]
    public void FilesTooShortForAHeaderAreRefused() => Assert.Contains("7 bytes", Message(new byte[7]));

    [Fact]
    public void TypesThatCannotBeComputedWithAreListedWithoutOne()
    {
        File.WriteAllBytes(_folder["x.safetensors"], TinyCheckpoint.Safetensors(
            """{"__metadata__": {"format": "pt"}, "a": {"dtype":"I64","shape":[1],"data_offsets":[0,8]}, "b": {"dtype":"NEW","shape":[9],"data_offsets":[8,11]}}""", new byte[11]));
        using SafetensorsFile file = SafetensorsFile.OpenSingle(_folder["x.safetensors"]);
        Assert.Equal(["a", "b"], file.Tensors.Keys);
        Assert.All(file.Tensors.Values, t => Assert.Null(t.Type));
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "../x.safetensors"}}""", "../x.safetensors")]
    [InlineData("""{"weight_map": {"a": "/etc/passwd"}}""", "/etc/passwd")]
    [InlineData("""{"weight_map": {"a": ".."}}""", "'\"..\"'")]
    [InlineData("""{"weight_map": {"a": 5}}""", "'5'")]
    [InlineData("""{"weight_map": {"a": "x\u0000y"}}""", "u0000")]
    [InlineData("""{"weight_map": {"a": "gone.safetensors"}}""", "gone.safetensors")]
    [InlineData("""{"weight_map": {"a": "x.safetensors", "b": "x.safetensors"}}""", "b is in x.safetensors")]
    [InlineData("""{"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}""", "another shard")]
    [InlineData("""{"weight_map": {}}""", "lists no tensors")]
    [InlineData("""{"weight_map": []}""", "no weight_map")]
    [InlineData("""{""", "not valid JSON")]
    public void IndexesThatLieAreRefused(string index, string inMessage)
    {
        byte[] shard = TinyCheckpoint.Safetensors([TinyTensor.F32("a", [1], 1)]);
        File.WriteAllBytes(_folder["x.safetensors"], shard);
        File.WriteAllBytes(_folder["y.safetensors"], TinyCheckpoint.Safetensors([TinyTensor.F32("a", [1], 1), TinyTensor.F32("b", [1], 1)]));
        File.WriteAllBytes(_folder["index.json"], Encoding.UTF8.GetBytes(index));
        Assert.Contains(inMessage, Assert.Throws<InputException>(() => SafetensorsFile.OpenSharded(_folder["index.json"]).Dispose()).Message);
    }

    public void Dispose() => _folder.Dispose();
}
