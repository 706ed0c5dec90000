using System.CommandLine;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli.Flags;

/// <summary>Which model, where and how it runs.</summary>
internal sealed class ModelFlags
{
    private readonly Option<string?> _model = Create();
    private readonly Option<int> _context = Flag.Of("--ctx-size", ["-c", "--max-model-len"], "Most tokens of context, such as 128k or 1m; 0: as the model was trained", 0, Numbers.Tokens);
    private readonly Option<int> _chunk = Flag.Of("--prefill-chunk", ["-ub"], "Prompt tokens that pass a layer together", 1024, value => Numbers.Int(value, 1));
    private readonly Option<RowFormat?> _kv = Rows("--kv-dtype", [], "Rows of the KV cache once they are indexed; until then, and without an index, they are 16-bit; default q8_0");
    private readonly Option<RowFormat?> _kvKeys = Rows("--cache-type-k", ["-ctk"], "Key rows, as --kv-dtype; both must be the same");
    private readonly Option<RowFormat?> _kvValues = Rows("--cache-type-v", ["-ctv"], "Value rows, as --kv-dtype; both must be the same");
    private readonly Option<int> _threads = Flag.Of("--threads", ["-t"], "CPU threads", Environment.ProcessorCount, value => Numbers.Int(value, 1, 1024));
    private readonly Option<string?> _device = Flag.Text("--device", [], "cpu, cuda or cuda:N", "cpu");
    private readonly Option<string?> _libtorch = CreateLibtorch();
    private readonly Option<ComputeType?> _compute = Flag.Choice<ComputeType?>("--compute", [], "Arithmetic of prefill; default auto", null,
        ("auto", ComputeType.Auto), ("float32", ComputeType.Float32), ("bfloat16", ComputeType.BFloat16));
    private readonly Option<bool> _force = Flag.Switch("--force", [], "Read a text although it is not expected to fit in memory");
    private readonly Option<string[]> _overrides = Flag.Repeatable("--override-config", ["--override-kv"], "Replace a value of the model's configuration (repeatable)", "KEY=VALUE");
    private readonly RopeFlags _rope = new();

    public static Option<string?> Create() =>
        Flag.Text("--model", ["-m"], "Folder with safetensors, .safetensors or .gguf file; default: the embedded recall-nano");

    public static Option<string?> CreateLibtorch() => Flag.Text("--libtorch", [], "Folder of another libtorch, such as one for CUDA");

    /// <param name="context">False where the verb has a flag of its own for the context length.</param>
    public void AddTo(Command command, bool context = true)
    {
        command.Options.Add(_model);
        if (context)
            command.Options.Add(_context);
        foreach (Option option in new Option[] { _chunk, _kv, _kvKeys, _kvValues, _threads, _device, _libtorch, _compute, _force, _overrides })
            command.Options.Add(option);
        _rope.AddTo(command);
    }

    /// <param name="context">Replaces --ctx-size.</param>
    public EngineOptions Read(ParseResult parsed, RetrievalPolicy policy, int? context = null)
    {
        (string path, Dictionary<string, string> overrides) = ReadConfiguration(parsed);
        string device = parsed.GetValue(_device) ?? "cpu";
        if (device != "cpu" && PolicyFlags.WantsSparsePrefill(parsed))
            throw new UsageException($"--prefill sparse runs on the CPU only and --device is {device}; leave one of them out.");
        int limit = context ?? parsed.GetValue(_context);
        return new EngineOptions
        {
            Model = path,
            Device = device,
            LibtorchDirectory = parsed.GetValue(_libtorch),
            Threads = parsed.GetValue(_threads),
            Compute = parsed.GetValue(_compute) ?? ComputeType.Auto,
            Policy = policy,
            KvRows = KvRows(parsed),
            PrefillChunk = parsed.GetValue(_chunk),
            ContextLimit = limit == 0 ? null : limit,
            Force = parsed.GetValue(_force),
            ConfigOverrides = overrides,
        };
    }

    /// <summary>Only the flags that say which model it is and how its configuration is read.</summary>
    public void AddConfigurationTo(Command command)
    {
        command.Options.Add(_model);
        command.Options.Add(_overrides);
        _rope.AddTo(command);
    }

    /// <summary>Path of the model and the changes to its configuration.</summary>
    public (string Path, Dictionary<string, string> Overrides) ReadConfiguration(ParseResult parsed)
    {
        string path = parsed.GetValue(_model) ?? EmbeddedModel.Require();
        Dictionary<string, string> overrides = ConfigOverrides.Parse(parsed.GetValue(_overrides) ?? []);
        _rope.Override(parsed, path, overrides);
        return (path, overrides);
    }

    private RowFormat KvRows(ParseResult parsed)
    {
        RowFormat both = parsed.GetValue(_kv) ?? RowFormat.I8;
        RowFormat keys = parsed.GetValue(_kvKeys) ?? both, values = parsed.GetValue(_kvValues) ?? both;
        if (keys != values)
            throw new UsageException($"Keys as {RowText.Name(keys)} and values as {RowText.Name(values)} cannot be mixed; give -ctk and -ctv the same type, or use --kv-dtype.");
        return keys;
    }

    private static Option<RowFormat?> Rows(string name, string[] aliases, string description) =>
        Flag.Choice<RowFormat?>(name, aliases, description, null,
            (RowText.Name(RowFormat.F16), RowFormat.F16), (RowText.Name(RowFormat.I8), RowFormat.I8), ("i8", RowFormat.I8));
}
