using System.Text;
using Retrieval.Runtime;

namespace Retrieval.Evaluation;

/// <summary>
/// Hides needles in running text: one somewhere in each of as many equal stretches as there are needles, so that all depths
/// occur, or each where it is wanted. Length is counted in model tokens: sentence by sentence while building, then once over the
/// finished text.
/// </summary>
/// <param name="count">Number of model tokens of a text.</param>
/// <param name="sentences">Sentences that concatenate to the text, each beginning with the white space before it.</param>
/// <param name="seed">Decides which needle goes where.</param>
public sealed class HaystackBuilder(Func<string, int> count, IEnumerable<string> sentences, int seed) : IDisposable
{
    private const int MinimumProse = 64;

    /// <summary>A finished text may be this much shorter than asked for before it is built again a little longer.</summary>
    private const int Slack = 64;

    private readonly IEnumerator<string> _source = sentences.GetEnumerator();
    private readonly List<Unit> _prose = [];

    private readonly record struct Unit(string Text, int Tokens)
    {
        public bool StartsParagraph => Text.StartsWith('\n') || Text.StartsWith('\r');
    }

    /// <summary>Where a needle goes, in prose tokens.</summary>
    /// <param name="From">At the first sentence that begins there or later.</param>
    /// <param name="Until">From here on a needle with a paragraph of its own no longer waits for the end of one.</param>
    private readonly record struct Place(int Needle, int From, int Until);

    /// <summary>Builds a text of at most <paramref name="tokens"/> tokens, and at most a sentence or <see cref="Slack"/> tokens fewer.</summary>
    /// <exception cref="InputException">The needles alone are longer, or the source of sentences ends too early.</exception>
    public Haystack Build(IReadOnlyList<Needle> needles, int tokens) => Build(needles, prose => Stretches(needles.Count, prose), tokens);

    /// <summary>The same with each needle at a depth of its own.</summary>
    /// <param name="depths">Of each needle, the share of the text before it, 0 to 1; at 1 it ends the text.</param>
    /// <exception cref="InputException">The needles alone are longer, or the source of sentences ends too early.</exception>
    public Haystack Build(IReadOnlyList<Needle> needles, IReadOnlyList<double> depths, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(depths.Count, needles.Count);
        int[] order = [.. Enumerable.Range(0, needles.Count).OrderBy(needle => depths[needle])];
        return Build(needles, prose => [.. order.Select(needle => new Place(needle, At(depths[needle], prose), At(depths[needle], prose)))], tokens);

        static int At(double depth, int prose) => depth >= 1 ? int.MaxValue : (int)(prose * depth);
    }

    private Haystack Build(IReadOnlyList<Needle> needles, Func<int, Place[]> places, int tokens)
    {
        Unit[] hidden = [.. needles.Select(needle => Measure((needle.OwnParagraph ? "\n\n" : " ") + needle.Text))];
        int proseTokens = tokens - hidden.Sum(unit => unit.Tokens);
        if (proseTokens < MinimumProse)
            throw new InputException($"{needles.Count} facts do not fit in a text of {tokens:N0} tokens; use a longer context or fewer facts.");

        // Sentences counted one by one may add up to a little more or less than the whole, depending on the tokenizer.
        Haystack? best = null;
        for (int round = 0; round < 5; round++)
        {
            Haystack made = Assemble(needles, hidden, places(proseTokens), proseTokens);
            int missing = tokens - made.Tokens;
            if (missing >= 0 && made.Tokens > (best?.Tokens ?? -1))
                best = made;
            if (missing is >= 0 and <= Slack)
                break;
            proseTokens += missing < 0 ? missing - Slack / 2 : missing;
        }
        return best ?? throw new InputException($"A text of {tokens:N0} tokens cannot be built with this tokenizer; use a longer context.");
    }

    public void Dispose() => _source.Dispose();

    private Haystack Assemble(IReadOnlyList<Needle> needles, Unit[] hidden, Place[] places, int proseTokens)
    {
        int sentences = Fill(proseTokens);
        var text = new StringBuilder();
        var placed = new List<PlacedNeedle>();
        long before = 0;
        bool breakParagraph = false;
        for (int i = 0; i < sentences; i++)
        {
            while (placed.Count < places.Length && i > 0 && Fits(places[placed.Count], _prose[i].StartsParagraph))
                Put(before / (double)Math.Max(1, proseTokens));
            Add(_prose[i], false);
            before += _prose[i].Tokens;
        }
        while (placed.Count < places.Length)
            Put(1);
        string whole = text.ToString();
        return new Haystack(whole, count(whole), placed);

        bool Fits(Place place, bool startsParagraph)
            => before >= place.From && (!needles[place.Needle].OwnParagraph || startsParagraph || before >= place.Until);

        void Put(double depth)
        {
            int needle = places[placed.Count].Needle;
            Add(hidden[needle], needles[needle].OwnParagraph);
            placed.Add(new PlacedNeedle(needles[needle], depth));
        }

        void Add(Unit unit, bool ownParagraph)
        {
            text.Append(breakParagraph && !unit.StartsParagraph ? "\n\n" + unit.Text.TrimStart() : unit.Text);
            breakParagraph = ownParagraph;
        }
    }

    /// <summary>Shuffled, each somewhere in a stretch of its own.</summary>
    private Place[] Stretches(int needles, int proseTokens)
    {
        var random = new SeededRandom(seed);
        int[] order = [.. Enumerable.Range(0, needles)];
        random.Shuffle<int>(order);
        return [.. order.Select((needle, rank) => new Place(
            needle, (int)(proseTokens * ((rank + random.NextDouble() * 0.98) / needles)), (int)((rank + 1L) * proseTokens / needles)))];
    }

    /// <summary>Reads sentences until they hold as many tokens as fit; returns how many sentences that are.</summary>
    private int Fill(int tokens)
    {
        long sum = 0;
        for (int i = 0; ; i++)
        {
            if (i == _prose.Count)
            {
                if (!_source.MoveNext())
                    throw new InputException($"The text has only {sum:N0} tokens but {tokens:N0} are needed; give a longer text or a smaller context.");
                _prose.Add(Measure(_source.Current));
            }
            sum += _prose[i].Tokens;
            if (sum > tokens)
                return i;
        }
    }

    private Unit Measure(string text) => new(text, count(text));
}
