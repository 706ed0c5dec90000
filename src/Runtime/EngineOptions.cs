using Retrieval.Offload;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime;

/// <summary>Arithmetic of the large matrix products in prefill. Decode is always float32 over the stored weights.</summary>
public enum ComputeType
{
    /// <summary>bfloat16 where the processor or GPU multiplies it faster than float32, else float32.</summary>
    Auto,

    /// <summary>float32 throughout: reference quality, about half the prefill speed on recent processors.</summary>
    Float32,

    /// <summary>bfloat16 operands with float32 accumulation.</summary>
    BFloat16,
}

/// <summary>How to load a model; immutable, validated by <see cref="Engine.Load"/>.</summary>
public sealed record EngineOptions
{
    /// <summary>A folder with config.json and safetensors, a .safetensors file, or a .gguf file.</summary>
    public required string Model { get; init; }

    /// <summary><c>cpu</c> (default), <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>Folder of another libtorch (a CUDA one, say); null: the one that came with the program.</summary>
    public string? LibtorchDirectory { get; init; }

    /// <summary>CPU threads; default all cores.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    public ComputeType Compute { get; init; } = ComputeType.Auto;

    /// <summary>Which tokens outside sinks and window a decode step reads; sessions may choose another.</summary>
    public RetrievalPolicy Policy { get; init; } = new IvfPqPolicy();

    /// <summary>How rows of the KV store are written once they are indexed; until then, and without an index, they are 16-bit floats.</summary>
    public RowFormat KvRows { get; init; } = RowFormat.I8;

    /// <summary>Tokens that pass a layer together in prefill; default 1,024.</summary>
    public int PrefillChunk { get; init; } = 1024;

    /// <summary>Most tokens a session may hold; default: the length that the model was trained for.</summary>
    public int? ContextLimit { get; init; }

    /// <summary>Reads prompts although they are not expected to fit in host memory; default false: they are refused before any work.</summary>
    public bool Force { get; init; }

    /// <summary>Configuration values that replace the file's, by their name in config.json or the GGUF metadata.</summary>
    public IReadOnlyDictionary<string, string> ConfigOverrides { get; init; } = new Dictionary<string, string>();

    /// <summary>Treats <c>cpu</c> as a device of its own, with libtorch operations and copied rows: what a GPU runs, for tests.</summary>
    internal bool SeparateDevice { get; init; }

    /// <summary>See <see cref="Models.Decoder.UninterruptedWork"/>; another value for tests.</summary>
    internal double? UninterruptedWork { get; init; }

    /// <summary>Throws an <see cref="InputException"/> if a value is out of its range.</summary>
    public void Validate()
    {
        Policy.Validate();
        if (Threads < 1)
            throw new InputException($"The number of threads is {Threads}; it must be at least 1.");
        if (PrefillChunk < 1)
            throw new InputException($"The prefill chunk is {PrefillChunk} tokens; it must be at least 1.");
        if (ContextLimit is < 1)
            throw new InputException($"The context size is {ContextLimit}; it must be at least 1 token.");
    }
}
