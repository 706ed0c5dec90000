using System.Numerics;
using Retrieval.Runtime.Kernels;

namespace Retrieval.Runtime.Models;

/// <summary>
/// A GGUF file, version 2 or 3, little endian (ggml-org/ggml docs/gguf.md): metadata, and tensors whose dimensions the file
/// stores columns first and <see cref="FileTensor.Shape"/> has rows first.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    private const int MaxDimensions = 4;

    private readonly MappedFile _file;
    private readonly Dictionary<string, object> _metadata = [];
    private readonly Dictionary<string, FileTensor> _tensors = [];

    private GgufFile(MappedFile file) => _file = file;

    /// <summary>Scalars boxed in the file's type; arrays as typed arrays (string[], float[], int[], …).</summary>
    public IReadOnlyDictionary<string, object> Metadata => _metadata;

    /// <summary>By the file's names.</summary>
    public IReadOnlyDictionary<string, FileTensor> Tensors => _tensors;

    public long FileBytes => _file.Length;

    /// <exception cref="InputException">The file is missing or breaks the format.</exception>
    public static GgufFile Open(string path)
    {
        var file = new GgufFile(new MappedFile(path));
        try
        {
            file.ReadHeader();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    private unsafe void ReadHeader()
    {
        string path = _file.FilePath;
        var cursor = new GgufCursor(_file.Pointer, _file.Length, path);
        uint magic = cursor.Read<uint>("the magic number");
        if (magic != 0x46554747)
            throw new InputException($"{path} starts with 0x{magic:x8}, not with GGUF; it is another kind of file.");
        uint version = cursor.Read<uint>("the version");
        if ((version & 0xffff) == 0)
            throw new InputException($"{path} is a big-endian GGUF file (its version reads 0x{version:x8}); convert it to little endian.");
        if (version is not (2 or 3))
            throw new InputException($"{path} is GGUF version {version}, and versions 2 and 3 can be read; convert it again with a current converter.");

        ulong tensorCount = cursor.Read<ulong>("the tensor count");
        ulong keyCount = cursor.Read<ulong>("the metadata count");
        for (ulong i = 0; i < keyCount; i++)
        {
            string key = cursor.ReadString($"metadata key {i} of {keyCount}");
            if (!_metadata.TryAdd(key, cursor.ReadValue(cursor.Read<uint>(key), key)))
                throw new InputException($"{path} has the metadata key {key} twice; the file is damaged.");
        }

        long alignment = Alignment();
        var infos = new List<Info>();
        for (ulong i = 0; i < tensorCount; i++)
            infos.Add(ReadInfo(cursor, i, tensorCount, alignment));

        long dataStart = (cursor.Position + alignment - 1) / alignment * alignment;
        PlaceTensors(infos, dataStart);
    }

    private long Alignment()
    {
        if (!_metadata.TryGetValue("general.alignment", out object? value))
            return 32;
        if (value is uint alignment && BitOperations.IsPow2(alignment) && alignment is >= 1 and <= 1 << 20)
            return alignment;
        throw new InputException($"{_file.FilePath}: general.alignment is {value} but must be a power of two up to {1 << 20}; the file is damaged.");
    }

    private static Info ReadInfo(GgufCursor cursor, ulong index, ulong count, long alignment)
    {
        string name = cursor.ReadString($"the name of tensor {index} of {count}");
        uint dimensions = cursor.Read<uint>(name);
        if (dimensions is 0 or > MaxDimensions)
            throw new InputException($"{cursor.File}: tensor {name} has {dimensions} dimensions, and 1 to {MaxDimensions} are possible; the file is damaged.");
        long[] shape = new long[dimensions];
        long elements = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong size = cursor.Read<ulong>(name);
            if (size is 0 or > int.MaxValue || elements > (1L << 48) / (long)size)
                throw new InputException($"{cursor.File}: tensor {name} has a dimension of {size}, too large or zero; the file is damaged.");
            shape[i] = (long)size;
            elements *= shape[i];
        }

        uint number = cursor.Read<uint>(name);
        var type = (TensorType)number;
        if (!Enum.IsDefined(type))
            throw new InputException($"{cursor.File}: tensor {name} has type {number}, and the readable types are {string.Join(", ", Enum.GetValues<TensorType>().Select(t => $"{t} ({(int)t})"))}; quantise the model to one of them.");
        (int blockElements, int blockBytes) = (WeightFormats.BlockSize(type), WeightFormats.BlockBytes(type));
        if (shape[^1] % blockElements != 0)
            throw new InputException($"{cursor.File}: tensor {name} has {shape[^1]} columns, not a multiple of the {blockElements} elements in a block of {type}; the file is damaged.");

        ulong offset = cursor.Read<ulong>(name);
        if (offset > long.MaxValue || (long)offset % alignment != 0)
            throw new InputException($"{cursor.File}: tensor {name} is at offset {offset}, not a multiple of the alignment {alignment}; the file is damaged.");
        return new Info(name, type, shape, (long)offset, elements / blockElements * blockBytes);
    }

    private unsafe void PlaceTensors(List<Info> infos, long dataStart)
    {
        string path = _file.FilePath;
        long dataBytes = Math.Max(0, _file.Length - dataStart);
        long end = 0;
        foreach (Info info in infos.OrderBy(i => i.Offset))
        {
            if (info.Offset > dataBytes || info.Bytes > dataBytes - info.Offset)
                throw new InputException($"{path}: tensor {info.Name} needs {info.Bytes} bytes at offset {info.Offset} but the file has {dataBytes} bytes of data; it is cut short.");
            if (info.Offset < end)
                throw new InputException($"{path}: tensor {info.Name} at offset {info.Offset} overlaps the one before it, which ends at {end}; the file is damaged.");
            end = info.Offset + info.Bytes;
            nint address = (nint)(_file.Pointer + dataStart + info.Offset);
            if (!_tensors.TryAdd(info.Name, new FileTensor(info.Name, info.Type, info.Type.ToString(), info.Shape, address, info.Bytes)))
                throw new InputException($"{path} has the tensor {info.Name} twice; the file is damaged.");
        }
    }

    private sealed record Info(string Name, TensorType Type, long[] Shape, long Offset, long Bytes);
}
