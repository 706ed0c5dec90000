using System.Numerics.Tensors;
using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;
using TorchSharp;

namespace Retrieval.Runtime;

/// <summary>
/// The KV state of one token sequence: the store with every row, and for each layer that sees all tokens a selector over the
/// far rows. Keeps the two in step: after each call the far rows are [Sinks, Length − Window).
/// </summary>
internal sealed class SequenceState : IDisposable
{
    // What a sliding layer keeps beyond its window, so that a session can be rewound past a question and its answer.
    private const int SlidingMargin = 4096;

    // Two layers' indexes at a time: what one build holds in memory is some ten times a segment.
    private static readonly TaskScheduler Builders = new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, 2).ConcurrentScheduler;

    private readonly ModelConfig _config;
    private readonly WorkerPool _workers;

    private readonly ITokenSelector?[] _selectors;
    private readonly PromptQueries[] _queries;
    private readonly int[] _far;
    private readonly torch.Device? _device;
    private readonly DeviceWindow[] _windows;

    /// <param name="device">Where copies of the resident rows are kept; null: host memory is device memory.</param>
    public SequenceState(ModelConfig config, RetrievalPolicy policy, RowFormat rows, WorkerPool workers, torch.Device? device = null)
        : this(config, policy, new KvStore(new KvLayout(config.Layers, config.KvHeads, config.HeadDim, rows), Placements(config, policy)), workers, device)
    {
    }

    private SequenceState(ModelConfig config, RetrievalPolicy policy, KvStore store, WorkerPool workers, torch.Device? device)
    {
        _config = config;
        _workers = workers;
        _device = device;
        Policy = policy;
        Store = store;
        _far = new int[config.Layers];
        _selectors = new ITokenSelector?[config.Layers];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            if (config.LayerKinds[layer].SlidingWindow is null)
                _selectors[layer] = policy.CreateSelector(Context(layer));
        }
        _queries = [.. Enumerable.Range(0, config.Layers).Select(layer => new PromptQueries(config.KvHeads, config.Group, config.HeadDim, store.Placement(layer)?.Rotation, policy.Window))];
        _windows = device is null ? [] : [.. config.LayerKinds.Select(kind => kind.SlidingWindow is { } window
            ? new DeviceWindow(store.Layout, device, 0, window)
            : new DeviceWindow(store.Layout, device, policy.Sinks, policy.Window))];
    }

    public RetrievalPolicy Policy { get; }

    public KvStore Store { get; }

    /// <summary>Tokens whose rows are complete in every layer.</summary>
    public int Length { get; private set; }

    public long IndexBytes => _selectors.Sum(selector => selector?.IndexBytes ?? 0);

    /// <summary>Bytes of sinks and windows: copies on a device, or the part of the store that plays their role.</summary>
    public long ResidentBytes => _device is null
        ? Math.Min(Length, (long)Policy.Sinks + Policy.Window) * Store.Layout.TokenBytes
        : _windows.Sum(window => window.Bytes);

    /// <summary>Bytes of indexes and rows that selectors have read.</summary>
    public long BytesRead => _selectors.Sum(selector => selector?.BytesRead ?? 0);

    /// <summary>Far rows that the first selector speaks for and attends to at all; 0 without one.</summary>
    public int IndexedTokens => Array.FindIndex(_selectors, selector => selector is not null) is >= 0 and int layer
        ? SearchedEnd(layer, Length) - Math.Min(Policy.Sinks, Length) : 0;

    /// <summary>The selector of a layer; null for a sliding layer.</summary>
    public ITokenSelector? Selector(int layer) => _selectors[layer];

    /// <summary>The resident rows of a layer, where there is a device of its own.</summary>
    public DeviceWindow Window(int layer) => _windows[layer];

    /// <summary>End of the far rows of a layer when <paramref name="length"/> tokens are there; never below Sinks.</summary>
    public int FarEnd(int length) => Math.Max(Policy.Sinks, length - Policy.Window);

    /// <summary>End of the rows of a layer, from the sinks on, that its selector speaks for; the rest is attended to exactly.</summary>
    public int SearchedEnd(int layer, int length)
    {
        int sinks = Math.Min(Policy.Sinks, length), far = Math.Min(FarEnd(length), length) - sinks;
        return sinks + Math.Min(_selectors[layer]!.Searched, far);
    }

    /// <summary>Appends rows of a layer to the store, [tokens, kvHeads * headDim].</summary>
    /// <exception cref="InputException">They are not finite numbers: 16-bit rows could not tell.</exception>
    public unsafe void Append(int layer, float* keys, float* values, int tokens)
    {
        int floats = tokens * _config.KvHeads * _config.HeadDim;
        if (!TensorPrimitives.IsFiniteAll(new ReadOnlySpan<float>(keys, floats)) || !TensorPrimitives.IsFiniteAll(new ReadOnlySpan<float>(values, floats)))
            throw new InputException($"Layer {layer} computed keys or values that are not finite numbers; the model's weights are damaged or its configuration does not belong to them.");
        _selectors[layer]?.Settle();
        Store.Append(layer, keys, values, tokens, _workers);
    }

    /// <summary>Takes a sample of a prompt's queries into account: indexes are built in the metric that they define.</summary>
    /// <param name="position">Position of the first token.</param>
    /// <param name="queries">[tokens, heads * headDim], after RoPE.</param>
    public unsafe void Observe(int layer, int position, float* queries, int tokens)
    {
        if (_selectors[layer] is not null)
            _queries[layer].Add(position, new ReadOnlySpan<float>(queries, tokens * _config.Heads * _config.HeadDim), _workers);
    }

    /// <summary>Tokens at the beginning that are read with exact attention; a device of its own has nothing to search with.</summary>
    public int DensePrefill => Policy is not IvfPqPolicy policy || _device is not null ? int.MaxValue
        : policy.Positions == FarPositions.Clamped ? Math.Min(policy.DensePrefill, _config.TrainedContext) : policy.DensePrefill;

    /// <summary>Share of the KV heads that are sharp, as far as selectors have indexes, for which it waits; null: none has.</summary>
    public double? SharpShare
    {
        get
        {
            bool[] known = [.. _selectors.OfType<IvfPqSelector>().SelectMany(selector => selector.SharpHeads)];
            return known.Length == 0 ? null : known.Count(sharp => sharp) / (double)known.Length;
        }
    }

    /// <summary>The share that estimates of time go by; 0 until somebody has looked.</summary>
    public double ExpectedSharpShare { get; set; }

    /// <summary>How a prompt that ends at <paramref name="length"/> searches while it is read; null: it attends to all tokens.</summary>
    /// <param name="sharp">Share of the KV heads that are sharp.</param>
    public PrefillSearch? PrefillSearch(int length, double sharp)
        => DensePrefill < length && Policy is IvfPqPolicy policy ? Models.PrefillSearch.Of(policy, DensePrefill, length, sharp) : null;

    /// <summary>What tokens of a prompt search instead of attending to it exactly; null: nothing.</summary>
    /// <param name="position">Position of the first token; the store has the rows of all.</param>
    /// <param name="length">Tokens that the sequence will hold when the whole prompt is read.</param>
    public IndexedRows? Reading(int layer, int position, int tokens, int length)
    {
        if (position < DensePrefill || _selectors[layer] is not IvfPqSelector selector)
            return null;
        // Indexed rows are no longer in the order of their arrival: those that some of the tokens do not see must stay as they are.
        return selector.Reading(Math.Min(FarEnd(position + tokens), position), length, _queries[layer]);
    }

    /// <summary>The store has all rows of a layer for a prompt that ends at <paramref name="length"/>.</summary>
    public void LayerRead(int layer, int length)
    {
        Advance(layer, length, prefill: true);
        // Where layers are read faster than they are indexed, their 16-bit rows would pile up beyond what MemoryPlan says.
        if (layer >= MemoryPlan.LayersIndexing)
            _selectors[layer - MemoryPlan.LayersIndexing]?.Settle();
        // The first text of a sequence is undone by emptying it, which needs no rows: a sliding layer can let go at once.
        if (Length == 0)
            ReleasePassed(layer, length);
    }

    /// <summary>The store has the row of the step that makes the sequence <paramref name="length"/> tokens long.</summary>
    public void LayerStepped(int layer, int length) => Advance(layer, length, prefill: false);

    /// <summary>All layers hold <paramref name="length"/> tokens.</summary>
    public void Complete(int length) => Length = length;

    /// <summary>Gives back what sliding layers no longer need. Not before a piece of text is read to its end: until then it may be undone.</summary>
    public void ReleasePassed()
    {
        for (int layer = 0; layer < _config.Layers; layer++)
            ReleasePassed(layer, Length);
    }

    /// <summary>Does every sliding layer still hold the window that ends at <paramref name="length"/>?</summary>
    public bool CanRewindTo(int length) => length == 0 || Enumerable.Range(0, _config.Layers).All(layer =>
        _config.LayerKinds[layer].SlidingWindow is not { } window || Math.Max(0, length - window) >= Store.FirstRow(layer));

    /// <summary>Forgets the rows from <paramref name="length"/> on, those of an interrupted prefill included.</summary>
    /// <exception cref="InputException">A sliding layer no longer holds the window that ends there.</exception>
    public void RewindTo(int length)
    {
        if (!CanRewindTo(length))
            throw new InputException($"The session cannot be rewound from {Length:N0} to {length:N0} tokens: sliding layers keep their window and {SlidingMargin:N0} tokens more; read the text again instead.");
        foreach (ITokenSelector? selector in _selectors)
            selector?.Settle();
        Store.Truncate(length);
        foreach (DeviceWindow resident in _windows)
            resident.Truncate(length);
        int far = FarEnd(length) - Policy.Sinks;
        for (int layer = 0; layer < _config.Layers; layer++)
        {
            _queries[layer].Truncate(length);
            // An interrupted prompt may have been indexed further than it counts.
            if (_far[layer] <= far && (_selectors[layer]?.Searched ?? 0) <= far)
                continue;
            _far[layer] = Math.Min(_far[layer], far);
            _selectors[layer]?.Truncate(far);
        }
        Length = Math.Min(Length, length);
    }

    /// <exception cref="InputException">The policy has far tokens elsewhere: their keys are stored for where they are.</exception>
    public SequenceState Fork(RetrievalPolicy policy)
    {
        if (PositionsOf(policy) != PositionsOf(Policy))
            throw new InputException($"A session with far positions '{PositionsOf(Policy)}' cannot go on with '{PositionsOf(policy)}' under the policy '{policy.Name}'; read the text again instead.");
        foreach (ITokenSelector? selector in _selectors)
            selector?.Settle();
        var fork = new SequenceState(_config, policy, Store.Fork(), _workers, _device);
        for (int layer = 0; layer < _config.Layers; layer++)
        {
            fork._queries[layer] = _queries[layer].Copy();
            bool sameFar = _far[layer] == fork.FarEnd(Length) - policy.Sinks && policy.Sinks == Policy.Sinks;
            if (sameFar && _selectors[layer] is { } selector && policy.ForkSelector(selector, fork.Context(layer)) is { } shared)
            {
                fork._selectors[layer]!.Dispose();
                fork._selectors[layer] = shared;
                fork._far[layer] = _far[layer];
                continue;
            }
            // Whoever packs rows itself, or has another window, must meet them in the order of their arrival.
            if (policy.PacksRows || !sameFar)
                fork.Store.Unpack(layer, 0);
            fork.LayerRead(layer, Length);
        }
        fork.Length = Length;
        return fork;
    }

    public void Dispose()
    {
        foreach (ITokenSelector? selector in _selectors)
            selector?.Dispose();
        foreach (DeviceWindow window in _windows)
            window.Dispose();
        Store.Dispose();
    }

    private static FarPositions PositionsOf(RetrievalPolicy policy) => (policy as IvfPqPolicy)?.Positions ?? FarPositions.Rope;

    /// <summary>For each layer where its far keys stand, if they do not stay where they stand.</summary>
    private static FarPlacement?[]? Placements(ModelConfig config, RetrievalPolicy policy)
    {
        if (PositionsOf(policy) == FarPositions.Rope)
            return null;
        var rotation = new RowRotation(RopeFrequencies.InverseFrequencies(config.Rope, 1), config.Rope.Pairs == RopePairs.Adjacent);
        var placement = new FarPlacement(rotation, config.TrainedContext - policy.Window);
        return [.. config.LayerKinds.Select(kind => kind.Rotary ? placement : null)];
    }

    private LayerContext Context(int layer) => new(Store, layer, _config.Group, Policy.Sinks, _workers, Builders);

    private void ReleasePassed(int layer, int length)
    {
        if (_config.LayerKinds[layer].SlidingWindow is { } window)
            Store.ReleaseBefore(layer, length - window - SlidingMargin);
    }

    private void Advance(int layer, int length, bool prefill)
    {
        int far = FarEnd(length) - Policy.Sinks, added = Math.Max(0, far - _far[layer]);
        _far[layer] += added;
        // A prompt that leaves no far rows has queries all the same.
        if (prefill)
            _selectors[layer]?.Prefill(added, _queries[layer]);
        else if (added > 0)
            _selectors[layer]?.Append(added);
    }
}
