using System.Diagnostics;
using Retrieval.Index;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Decoding;

/// <summary>A policy whose selectors note the time of their searches and how many rows they choose.</summary>
internal sealed record TimedPolicy : RetrievalPolicy
{
    private readonly RetrievalPolicy _inner;
    private readonly StepClock _clock;

    public TimedPolicy(RetrievalPolicy inner, StepClock clock)
    {
        (_inner, _clock) = (inner, clock);
        (Sinks, Window) = (inner.Sinks, inner.Window);
    }

    public override string Name => _inner.Name;

    public override void Validate() => _inner.Validate();

    internal override ITokenSelector CreateSelector(LayerContext layer)
        => new Selector(_inner.CreateSelector(layer), _clock, layer.Store.Layout.KvHeads);

    private sealed class Selector(ITokenSelector inner, StepClock clock, int kvHeads) : ITokenSelector
    {
        public long IndexBytes => inner.IndexBytes;

        public long BytesRead => inner.BytesRead;

        public int Searched => inner.Searched;

        public void Prefill(int rows, PromptQueries queries) => inner.Prefill(rows, queries);

        public void Append(int rows) => inner.Append(rows);

        public void Truncate(int rows) => inner.Truncate(rows);

        public void Settle() => inner.Settle();

        public void Select(in DecodeQuery query, Selection selection)
        {
            long begin = Stopwatch.GetTimestamp();
            inner.Select(query, selection);
            clock.Select += Stopwatch.GetTimestamp() - begin;
            for (int head = 0; head < kvHeads; head++)
                clock.ChosenRows += selection.Rows(head).Length;
        }

        public void Dispose() => inner.Dispose();
    }
}
