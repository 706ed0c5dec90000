using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Attention;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Text;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Runtime;

/// <summary>
/// A model, loaded once: it owns the device, the weights and the tokenizer, and creates sessions.
/// Not thread-safe: an engine and its sessions are used from one thread, the one that loaded it.
/// </summary>
public sealed class Engine : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly WorkerPool _workers;
    private readonly torch.Device? _device;
    private readonly IDecoderMath _math;
    private readonly IDecoderAttention _attention;
    private readonly Decoder _decoder;
    private readonly IDisposable _inference;

    private Engine(EngineOptions options, Checkpoint checkpoint, torch.Device device)
    {
        Options = options;
        _checkpoint = checkpoint;
        (Tokenizer, ChatTemplate) = ModelText.Load(checkpoint);
        CheckPositions(options.Policy);
        ContextLimit = options.ContextLimit ?? (Clamps(options.Policy) ? int.MaxValue : Config.TrainedContext);
        // For the life of the engine: tensors made inside must not be changed outside.
        _inference = torch.inference_mode();
        _workers = new WorkerPool(options.Threads);
        bool bfloat16 = UsesBFloat16(options.Compute, device);
        Compute = bfloat16 ? ComputeType.BFloat16 : ComputeType.Float32;
        try
        {
            DecoderWeights weights = DecoderWeights.From(checkpoint);
            if (device.type == DeviceType.CPU && !options.SeparateDevice)
            {
                WeightBytes = checkpoint.Tensors.Values.Sum(tensor => tensor.Bytes);
                _math = new HostMath(weights.Matrices, _workers, bfloat16);
                _attention = new HostDecoderAttention(Config, _workers, bfloat16);
            }
            else
            {
                _device = device;
                var uploaded = new DeviceWeights(weights, device, bfloat16, _workers);
                WeightBytes = uploaded.Bytes;
                _math = new TorchMath(device, uploaded);
                _attention = new DeviceDecoderAttention(Config, device, _workers);
            }
            _decoder = options.UninterruptedWork is double work
                ? new Decoder(Config, weights, _math, _attention, options.PrefillChunk) { UninterruptedWork = work }
                : new Decoder(Config, weights, _math, _attention, options.PrefillChunk);
        }
        catch
        {
            _workers.Dispose();
            _inference.Dispose();
            throw;
        }
    }

    public EngineOptions Options { get; }

    /// <summary>What <see cref="ComputeType.Auto"/> became.</summary>
    public ComputeType Compute { get; }

    /// <summary>Name of the model, for people.</summary>
    public string ModelName => _checkpoint.Name;

    public ModelConfig Config => _checkpoint.Config;

    public TextTokenizer Tokenizer { get; }

    /// <summary>The model's chat template; null: it has none.</summary>
    public ChatTemplate? ChatTemplate { get; }

    /// <summary>Most tokens a session may hold.</summary>
    public int ContextLimit { get; }

    /// <summary>Longest window under clamped positions: beside it a segment and a chunk must fit into the trained context. Below 1: none.</summary>
    public int ClampedRoom => Config.TrainedContext - new IvfPqPolicy { Positions = FarPositions.Clamped }.IndexOf(0).SegmentRows - Options.PrefillChunk;

    /// <summary>Bytes of the weights as the decoder reads them.</summary>
    public long WeightBytes { get; }

    /// <summary>Bytes of the checkpoint files.</summary>
    public long FileBytes => _checkpoint.FileBytes;

    /// <summary>Does a model stop at this token: an end of sequence, or of a turn of a conversation?</summary>
    public bool IsEnd(int token) => Tokenizer.EndIds.Contains(token) || Config.EosTokens.Contains(token);

    /// <summary>Refuses what no session of this engine may hold.</summary>
    /// <exception cref="ContextOverflowException">There are more tokens than <see cref="ContextLimit"/>.</exception>
    public void RequireRoom(long tokens)
    {
        if (tokens > ContextLimit)
            throw new ContextOverflowException(tokens, ContextLimit);
    }

    /// <summary>Bytes on the device that do not depend on a session: weights and work buffers.</summary>
    internal long DeviceBytes => WeightBytes + _math.DeviceBytes + _attention.DeviceBytes;

    /// <summary>KV rows moved between host and device by all sessions; all zero on the device <c>cpu</c>.</summary>
    public KvTransferCounters Transfers => _attention.Transfers;

    /// <summary>Opens the checkpoint and puts its weights on the device.</summary>
    /// <exception cref="InputException">The model cannot be read, the device does not exist, an option is out of range.</exception>
    public static Engine Load(EngineOptions options)
    {
        options.Validate();
        LibtorchLoader.Load(options.LibtorchDirectory);
        torch.Device device = Devices.Parse(options.Device);
        Checkpoint checkpoint = Checkpoint.Open(options.Model, options.ConfigOverrides);
        try
        {
            torch.set_num_threads(options.Threads);
            return new Engine(options, checkpoint, device);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>An empty token sequence under the engine's policy, or under another one.</summary>
    public Session NewSession(RetrievalPolicy? policy = null)
    {
        policy ??= Options.Policy;
        policy.Validate();
        CheckPositions(policy);
        return new Session(this, _decoder, New(policy));
    }

    /// <summary>What a sequence takes to read so many further tokens.</summary>
    internal MemoryPlan Plan(SequenceState state, int tokens)
        => new MemoryPlanner(Config, state.Policy, state.Store.Layout, Options.PrefillChunk, Compute == ComputeType.BFloat16)
            .Plan(state.Length, tokens, _device is not null, WeightBytes, DeviceBytes);

    /// <summary>The plan with estimates of time, from what a sequence of no use takes for a moment.</summary>
    internal MemoryPlan Timed(MemoryPlan plan, SequenceState state, ReadOnlySpan<int> tokens)
    {
        int held = state.Length, end = (int)Math.Min(int.MaxValue, (long)held + plan.Tokens);
        using SequenceState probe = New(new FullPolicy()), steps = New(state.Policy);
        state.ExpectedSharpShare = state.SharpShare ?? SharpShare(state.Policy, tokens);
        PrefillRate rate = PrefillRate.Measure(_decoder, Config, probe);
        return plan with
        {
            PrefillSeconds = rate.Seconds(PrefillWork.Total(Config, held, plan.Tokens, state.PrefillSearch(end, state.ExpectedSharpShare), wholeLastLayer: false)),
            MsPerToken = DecodeEstimate.MillisecondsPerToken(_decoder, Config, steps, end, state.ExpectedSharpShare, Options.Threads),
        };
    }

    /// <summary>Share of the KV heads that turn out to be sharp when the beginning of a text is read.</summary>
    internal double SharpShare(RetrievalPolicy policy, ReadOnlySpan<int> tokens)
    {
        using SequenceState sample = New(policy);
        return PrefillSample.SharpShare(_decoder, sample, tokens);
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _workers.Dispose();
        _checkpoint.Dispose();
        _inference.Dispose();
    }

    private SequenceState New(RetrievalPolicy policy) => new(Config, policy, Options.KvRows, _workers, _device);

    private static bool Clamps(RetrievalPolicy policy) => policy is IvfPqPolicy { Positions: FarPositions.Clamped };

    /// <summary>Refuses clamped positions where tokens of the window would stand at distances that the model does not know after all, or nothing searches.</summary>
    private void CheckPositions(RetrievalPolicy policy)
    {
        if (!Clamps(policy))
            return;
        if (Options.Device != "cpu" || Options.SeparateDevice)
            throw new InputException($"Clamped positions need sparse prefill, which runs on the CPU only, and the device is {Options.Device}; leave one of them out.");
        if (Config.Rope.Scaling == RopeScaling.Dynamic)
            throw new InputException("Clamped positions and dynamic RoPE scaling exclude each other, because the latter turns keys differently as the text grows; leave one of them out, or give --rope-scaling none.");
        int room = ClampedRoom;
        if (policy.Window > room)
            throw new InputException($"The local window is {policy.Window:N0} tokens, but under clamped positions {ModelName}, trained for {Config.TrainedContext:N0}, has room for {Math.Max(room, 0):N0} beside {Config.TrainedContext - room:N0} that wait to be indexed; "
                + (room > 0 ? $"give --local-window {room} or less." : "use a model with a longer context."));
    }

    private static bool UsesBFloat16(ComputeType compute, torch.Device device) => compute switch
    {
        ComputeType.BFloat16 => true,
        ComputeType.Float32 => false,
        _ => device.type == DeviceType.CUDA || ProcessorFeatures.MultipliesBFloat16,
    };
}
