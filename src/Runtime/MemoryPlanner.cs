using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime;

/// <summary>Adds up a <see cref="MemoryPlan"/> from shapes: what prefill allocates, when, and what it gives back.</summary>
/// <param name="model">Shapes.</param>
/// <param name="policy">Decides what is indexed and packed.</param>
/// <param name="layout">Shape of the rows.</param>
/// <param name="chunk">Tokens that pass a layer together.</param>
/// <param name="bfloat16">Weights are converted to bfloat16 for prefill, else to float32.</param>
internal sealed class MemoryPlanner(ModelConfig model, RetrievalPolicy policy, KvLayout layout, int chunk, bool bfloat16)
{
    // Of a list of ivf-pq beside its centre and mean value, a byte an element each: size, places, scales and spread.
    private const int ListBytes = 24;

    // Sharp heads have two and a half times as many codes; which heads are sharp shows only when they are indexed.
    private const double FinerCodes = 2;

    // A list's last block of 16 codes is half empty.
    private const int HalfBlock = 8;

    // Two layers are indexed at a time, each with some segments of float32 rows and what the collector has not taken back yet.
    private const int Builds = 2, SegmentsOfABuild = 20;

    private readonly int _whole = model.LayerKinds.Count(kind => kind.SlidingWindow is null);

    /// <param name="held">Tokens that the sequence has.</param>
    /// <param name="tokens">Tokens to read.</param>
    /// <param name="separateDevice">The device has memory of its own.</param>
    /// <param name="weightBytes">Weights on the device.</param>
    /// <param name="deviceBytes">All that is on the device for every session.</param>
    public MemoryPlan Plan(int held, int tokens, bool separateDevice, long weightBytes, long deviceBytes)
    {
        long pages = PageBytes(tokens);
        bool packs = policy.PacksRows && tokens >= IvfPqPolicy.SmallestSegment;
        (int waiting, int sliding) = packs ? Waiting() : (_whole, Math.Min(1, model.Layers - _whole));
        // Sliding layers let go of a first text one by one, of a later one when it is read.
        if (held > 0)
            sliding = model.Layers - _whole;
        return new MemoryPlan
        {
            Tokens = tokens,
            DeviceIsHost = !separateDevice,
            DeviceWeightBytes = weightBytes,
            DeviceWindowBytes = Math.Min((long)held + tokens, (long)policy.Sinks + policy.Window) * layout.TokenBytes,
            DeviceWorkBytes = Math.Max(deviceBytes - weightBytes, 0),
            HostHeldBytes = Environment.WorkingSet,
            HostWorkBytes = (separateDevice ? 0 : WorkBytes() + weightBytes) + (packs ? BuildBytes(tokens) : 0),
            HostHiddenBytes = (long)tokens * model.Hidden * sizeof(float),
            HostWaitingKvBytes = (waiting + sliding) * pages,
            HostSettledKvBytes = (_whole - waiting) * (packs ? PackedBytes(tokens) : pages),
            HostKvBytes = _whole * (packs ? PackedBytes(tokens) : pages),
            HostIndexBytes = packs ? _whole * IndexBytes(tokens) : 0,
            HostAvailableBytes = HostMemory.Available,
        };
    }

    /// <summary>Layers with 16-bit rows at the peak, of those that see everything and of sliding ones: the one being read and, of the two before it, those that are being indexed.</summary>
    private (int Whole, int Sliding) Waiting()
    {
        (int Whole, int Sliding) most = default;
        for (int layer = 0; layer < model.Layers; layer++)
        {
            int whole = 0, sliding = IsWhole(layer) ? 0 : 1;
            for (int other = Math.Max(0, layer - MemoryPlan.LayersIndexing); other <= layer; other++)
                whole += IsWhole(other) ? 1 : 0;
            if (whole + sliding >= most.Whole + most.Sliding)
                most = (whole, sliding);
        }
        return most;

        bool IsWhole(int layer) => model.LayerKinds[layer].SlidingWindow is null;
    }

    /// <summary>16-bit rows of a layer.</summary>
    private long PageBytes(int tokens) => (tokens + KvLayout.RowsPerPage - 1L) / KvLayout.RowsPerPage * layout.PageBytes;

    /// <summary>Packed rows of a layer, and the pages of sinks and window.</summary>
    private long PackedBytes(int tokens)
        => Math.Min(PageBytes(tokens), 2L * layout.KvHeads * layout.PackedRowBytes * tokens + 2 * layout.PageBytes + PageBytes(Math.Min(tokens, policy.Window)));

    /// <summary>Index of a layer: codes, order, lists, and the tables of each KV head.</summary>
    private long IndexBytes(int tokens)
    {
        if (policy is not IvfPqPolicy own)
            return 0;
        IvfPqOptions options = own.IndexOf(tokens);
        int dim = model.HeadDim;
        double codes = FinerCodes * ((dim + options.AxesPerCode - 1) / options.AxesPerCode / 2.0) * (1 + (double)HalfBlock / options.RowsPerList);
        double row = codes + sizeof(ushort) + (2.0 * dim + ListBytes) / options.RowsPerList;
        return (long)(model.KvHeads * (tokens * row + 4.0 * sizeof(float) * dim * dim));
    }

    private long BuildBytes(int tokens)
        => Builds * (long)SegmentsOfABuild * Math.Min(tokens, policy is IvfPqPolicy own ? own.IndexOf(tokens).SegmentRows : 0) * model.HeadDim * sizeof(float);

    /// <summary>Activations of a chunk, one layer's converted weights and the buffers of their products.</summary>
    private long WorkBytes()
    {
        long queryWidth = (long)model.Heads * model.HeadDim, keyWidth = (long)model.KvHeads * model.HeadDim, element = bfloat16 ? 2 : 4;
        long activations = chunk * (3L * model.Hidden + 2 * queryWidth + 2 * keyWidth + 2L * model.Ffn) * sizeof(float);
        long weights = model.Hidden * (2 * queryWidth + 2 * keyWidth + 3L * model.Ffn) * element;
        return activations + weights + 2L * chunk * Math.Max(model.Ffn, model.Hidden) * element;
    }
}
