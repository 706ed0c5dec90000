using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>Byte pair encoding: pieces of text to token ids, by seeds and merges. Immutable; threads share it.</summary>
internal sealed class BytePairModel
{
    // Runs this short are merged whole: looking for boundaries would cost more than it saves.
    private const int LongestUncut = 24;

    private readonly MergeTable _merges;

    private readonly Seeds _seeds;

    private readonly Dictionary<string, int>? _whole;

    private readonly HashSet<ulong>? _joins;

    /// <param name="merges">The merges, by rank.</param>
    /// <param name="seeds">What merging begins with.</param>
    /// <param name="whole">Tokens taken at once when they equal a whole piece, in the byte alphabet (ignore_merges); null: none.</param>
    /// <param name="joins">
    /// Pairs of seeds that some token has side by side (<see cref="MergeTable.Pair"/>). Between others nothing can ever merge,
    /// so text without pre-tokenizer is cut there without changing the result; null: never cut.
    /// </param>
    public BytePairModel(MergeTable merges, Seeds seeds, Dictionary<string, int>? whole = null, HashSet<ulong>? joins = null) =>
        (_merges, _seeds, _whole, _joins) = (merges, seeds, whole, joins);

    /// <summary>An encoder for one thread.</summary>
    public Worker CreateWorker(List<int> ids) => new(this, ids);

    public sealed class Worker(BytePairModel model, List<int> ids)
    {
        private readonly SymbolList _symbols = new();

        private readonly PairMerger _merger = new(model._merges);

        /// <summary>Appends the ids of one piece.</summary>
        public void Encode(ReadOnlySpan<char> piece)
        {
            if (model._whole is { } whole && TakeWhole(piece, whole))
                return;
            _symbols.Clear();
            model._seeds.Append(piece, _symbols);
            Span<int> symbols = _symbols.Items;
            while (symbols.Length > 0)
            {
                int length = RunLength(symbols);
                int count = _merger.Merge(symbols[..length]);
                foreach (int symbol in symbols[..count])
                    model._seeds.Finish(symbol, ids);
                symbols = symbols[length..];
            }
        }

        private int RunLength(Span<int> symbols)
        {
            if (model._joins is null || symbols.Length <= LongestUncut)
                return symbols.Length;
            int i = 1;
            while (i < symbols.Length && model._joins.Contains(MergeTable.Pair(symbols[i - 1], symbols[i])))
                i++;
            return i;
        }

        private bool TakeWhole(ReadOnlySpan<char> piece, Dictionary<string, int> whole)
        {
            const int Longest = 64;
            if (piece.Length > Longest)
                return TakeLong(piece, whole);
            Span<byte> bytes = stackalloc byte[3 * Longest];
            bytes = bytes[..Encoding.UTF8.GetBytes(piece, bytes)];
            Span<char> text = stackalloc char[bytes.Length];
            return Take(bytes, text, whole);
        }

        private bool TakeLong(ReadOnlySpan<char> piece, Dictionary<string, int> whole)
        {
            var bytes = new byte[Encoding.UTF8.GetByteCount(piece)];
            Encoding.UTF8.GetBytes(piece, bytes);
            return Take(bytes, new char[bytes.Length], whole);
        }

        private bool Take(ReadOnlySpan<byte> bytes, Span<char> text, Dictionary<string, int> whole)
        {
            for (int i = 0; i < bytes.Length; i++)
                text[i] = ByteAlphabet.ToCharacter(bytes[i]);
            if (!whole.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out int id))
                return false;
            ids.Add(id);
            return true;
        }
    }
}
