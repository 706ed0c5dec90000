using System.Runtime.InteropServices;
using Retrieval.Index.Kernels;
using Retrieval.Runtime;
using Retrieval.Runtime.Models;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Tensors of a qkv file as arrays, their shapes and types checked.</summary>
internal sealed unsafe class QkvReader(string path, SafetensorsFile file)
{
    /// <summary>The first two sizes of a tensor.</summary>
    public (int First, int Second) Rows(string name)
    {
        IReadOnlyList<long> shape = Find(name).Shape;
        return shape.Count >= 2
            ? (checked((int)shape[0]), checked((int)shape[1]))
            : throw new InputException($"{path}: {name} is [{string.Join(", ", shape)}] and must have two sizes or more.");
    }

    public float[] Halves(string name, long[] shape)
    {
        FileTensor tensor = Find(name, "F16", shape);
        var result = new float[tensor.Bytes / sizeof(ushort)];
        fixed (float* target = result)
            HalfRow.Widen((ushort*)tensor.Data, target, result.Length);
        return result;
    }

    public float[] Floats(string name, long[] shape) => Copy<float>(Find(name, "F32", shape));

    public int[] Integers(string name) => Copy<int>(Find(name, "I32", [.. Find(name).Shape.Take(1)]));

    private static T[] Copy<T>(FileTensor tensor)
        where T : unmanaged
        => MemoryMarshal.Cast<byte, T>(new ReadOnlySpan<byte>((void*)tensor.Data, checked((int)tensor.Bytes))).ToArray();

    private FileTensor Find(string name)
        => file.Tensors.TryGetValue(name, out FileTensor? tensor) ? tensor : throw new InputException($"{path} has no tensor {name}; it is not a qkv file.");

    private FileTensor Find(string name, string type, long[] shape)
    {
        FileTensor tensor = Find(name);
        return tensor.TypeName == type && tensor.Shape.SequenceEqual(shape)
            ? tensor
            : throw new InputException($"{path}: {name} is {tensor.TypeName} [{string.Join(", ", tensor.Shape)}] and must be {type} [{string.Join(", ", shape)}].");
    }
}
