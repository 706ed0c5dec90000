using System.Text.Json.Serialization;
using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>The tokens with the largest attention weight, found by scanning every key: the oracle of all retrieval policies.</summary>
public sealed record ExactPolicy : RetrievalPolicy
{
    /// <summary>Tokens read for each KV head beside sinks and window; default 2,048.</summary>
    public int Budget { get; init; } = 2048;

    [JsonIgnore]
    public override string Name => "exact";

    public override void Validate()
    {
        base.Validate();
        if (Budget < 1)
            throw new InputException($"The budget is {Budget} tokens; it must be at least 1.");
    }

    internal override ITokenSelector CreateSelector(LayerContext layer) => new Selector(layer, Budget);

    private sealed class Selector(LayerContext layer, int budget) : ITokenSelector
    {
        private readonly FlatIndex[] _heads =
            [.. Enumerable.Range(0, layer.Store.Layout.KvHeads).Select(head => new FlatIndex(new KvKeyRows(layer.Store, layer.Layer, head), layer.Sinks))];

        private readonly Hit[][] _hits = [.. Enumerable.Range(0, layer.Store.Layout.KvHeads).Select(_ => Array.Empty<Hit>())];

        public long IndexBytes => _heads.Sum(head => head.Bytes);

        public long BytesRead { get; private set; }

        public int Searched => _heads[0].Count;

        public void Prefill(int rows, PromptQueries queries) => Append(rows);

        public void Append(int rows)
        {
            foreach (FlatIndex head in _heads)
                head.Append(rows);
        }

        public void Truncate(int rows)
        {
            foreach (FlatIndex head in _heads)
                head.Truncate(rows);
        }

        public void Settle() { }

        public void Select(in DecodeQuery query, Selection selection)
        {
            DecodeQuery queries = query;
            BytesRead += (long)Searched * _heads.Length * layer.Store.Layout.RowBytes;
            layer.Workers.For(_heads.Length, 1, (_, begin, end) =>
            {
                for (int head = begin; head < end; head++)
                {
                    int wanted = Math.Min(budget, _heads[head].Count);
                    if (_hits[head].Length < wanted)
                        _hits[head] = new Hit[(int)Math.Min(budget, 2L * wanted)];
                    int found = _heads[head].Search(queries.Of(head), wanted, _hits[head]);
                    Span<int> rows = selection.Reserve(head, found);
                    for (int i = 0; i < found; i++)
                        rows[i] = _hits[head][i].Row;
                }
            });
        }

        public void Dispose() { }
    }
}
