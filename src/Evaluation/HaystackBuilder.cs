using System.Text;
using Retrieval.Runtime;

namespace Retrieval.Evaluation;

/// <summary>
/// Hides needles in running text, one somewhere in each of as many equal stretches as there are needles, so that all depths
/// occur. Length is counted in model tokens: sentence by sentence while building, then once over the finished text.
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

    /// <summary>Builds a text of at most <paramref name="tokens"/> tokens, and at most a sentence or <see cref="Slack"/> tokens fewer.</summary>
    /// <exception cref="InputException">The needles alone are longer, or the source of sentences ends too early.</exception>
    public Haystack Build(IReadOnlyList<Needle> needles, int tokens)
    {
        Unit[] hidden = [.. needles.Select(needle => Measure((needle.OwnParagraph ? "\n\n" : " ") + needle.Text))];
        int proseTokens = tokens - hidden.Sum(unit => unit.Tokens);
        if (proseTokens < MinimumProse)
            throw new InputException($"{needles.Count} facts do not fit in a text of {tokens:N0} tokens; use a longer context or fewer facts.");

        // Sentences counted one by one may add up to a little more or less than the whole, depending on the tokenizer.
        Haystack? best = null;
        for (int round = 0; round < 5; round++)
        {
            Haystack made = Assemble(needles, hidden, proseTokens);
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

    private Haystack Assemble(IReadOnlyList<Needle> needles, Unit[] hidden, int proseTokens)
    {
        int sentences = Fill(proseTokens);
        var random = new SeededRandom(seed);
        int[] order = [.. Enumerable.Range(0, needles.Count)];
        random.Shuffle<int>(order);

        var text = new StringBuilder();
        var placed = new List<PlacedNeedle>();
        int next = 0;
        long before = 0;
        int target = Stretch(random, next, order.Length, proseTokens);
        bool breakParagraph = false;
        for (int i = 0; i < sentences; i++)
        {
            while (next < order.Length && i > 0 && before >= target && (!needles[order[next]].OwnParagraph || _prose[i].StartsParagraph || Overdue(before, next, order.Length, proseTokens)))
            {
                text.Append(hidden[order[next]].Text);
                placed.Add(new PlacedNeedle(needles[order[next]], before / (double)Math.Max(1, proseTokens)));
                breakParagraph = needles[order[next]].OwnParagraph;
                next++;
                target = Stretch(random, next, order.Length, proseTokens);
            }
            text.Append(breakParagraph && !_prose[i].StartsParagraph ? "\n\n" + _prose[i].Text.TrimStart() : _prose[i].Text);
            breakParagraph = false;
            before += _prose[i].Tokens;
        }
        for (; next < order.Length; next++)
        {
            text.Append(hidden[order[next]].Text);
            placed.Add(new PlacedNeedle(needles[order[next]], 1));
        }
        string whole = text.ToString();
        return new Haystack(whole, count(whole), placed);
    }

    /// <summary>A place in the stretch of the needle with that rank, in prose tokens.</summary>
    private static int Stretch(SeededRandom random, int rank, int needles, int proseTokens) =>
        rank >= needles ? int.MaxValue : (int)(proseTokens * ((rank + random.NextDouble() * 0.98) / needles));

    /// <summary>True at the end of the needle's stretch, where it no longer waits for the end of a paragraph.</summary>
    private static bool Overdue(long before, int rank, int needles, int proseTokens) => before >= (rank + 1L) * proseTokens / needles;

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
