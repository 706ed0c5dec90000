using System.Diagnostics;
using Retrieval.Evaluation;
using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Attention;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Text;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Scenarios.Decoding;

/// <summary>
/// A model on the processor as <see cref="Engine"/> puts it together, with its parts decorated so that a step says where its
/// time went. There is no limit on the context: sequences may be longer than any the model was trained on.
/// </summary>
internal sealed unsafe class DecodeRig : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly IDisposable _inference;
    private readonly WorkerPool _workers;
    private readonly StepClock _clock = new();
    private readonly TimedAttention _attention;
    private readonly Decoder _decoder;
    private readonly HostBuffer _logits;
    private readonly TextTokenizer _tokenizer;

    public DecodeRig(string model, int threads)
    {
        LibtorchLoader.Load();
        torch.set_num_threads(threads);
        _inference = torch.inference_mode();
        _checkpoint = Checkpoint.Open(model, new Dictionary<string, string>());
        (_tokenizer, _) = ModelText.Load(_checkpoint);
        _workers = new WorkerPool(threads);
        Threads = threads;
        DecoderWeights weights = DecoderWeights.From(_checkpoint);
        WeightBytes = weights.Matrices.Sum(weight => weight.Stored.Bytes) + weights.Embedding.RowBytes;
        var math = new TimedMath(new HostMath(weights.Matrices, _workers, ProcessorFeatures.MultipliesBFloat16), _clock);
        _attention = new TimedAttention(new HostDecoderAttention(Config, _workers, ProcessorFeatures.MultipliesBFloat16), _clock);
        _decoder = new Decoder(Config, weights, math, _attention, SampleRows.Count);
        _logits = new HostBuffer(Config.Vocabulary);
    }

    public ModelConfig Config => _checkpoint.Config;

    public string ModelName => _checkpoint.Name;

    public int Threads { get; }

    /// <summary>Bytes of weights that a step reads: every matrix as it is stored, one row of the embedding.</summary>
    public long WeightBytes { get; }

    /// <summary>Rows that selectors chose since the clock was last cleared by <see cref="Step"/>.</summary>
    public long ChosenRows => _clock.ChosenRows;

    public SequenceState NewState(RetrievalPolicy policy) => new(Config, new TimedPolicy(policy, _clock), RowFormat.I8, _workers);

    /// <summary>One step, as in a session that generates greedily.</summary>
    /// <returns>The next token and the times of the step.</returns>
    public (int Token, StepTimes Times) Step(SequenceState state, int token)
    {
        _clock.Clear();
        long begin = Stopwatch.GetTimestamp();
        _decoder.Step(state, token, _logits.Data);
        int next = ArgMax.Find(_logits.Data, Config.Vocabulary);
        return (next, _clock.Read(Stopwatch.GetTimestamp() - begin));
    }

    /// <summary>Reads some prose and keeps what every layer makes of it.</summary>
    public SampleRows Sample(int seed)
    {
        int[] tokens = _tokenizer.Encode(string.Concat(Prose.Sentences(seed).Take(SampleRows.Count / 4)));
        if (tokens.Length < SampleRows.Count)
            throw new InvalidOperationException($"{SampleRows.Count / 4} sentences gave only {tokens.Length} tokens.");
        var sample = new SampleRows(Config);
        using SequenceState state = NewState(new FullPolicy());
        _attention.OnPrompt = sample.Take;
        _decoder.Prefill(state, tokens.AsSpan(0, SampleRows.Count), SampleRows.Count, null, null, default);
        _attention.OnPrompt = null;
        return sample;
    }

    public void Dispose()
    {
        _logits.Dispose();
        _decoder.Dispose();
        _workers.Dispose();
        _checkpoint.Dispose();
        _inference.Dispose();
    }
}
