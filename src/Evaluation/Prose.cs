using System.Text;

namespace Retrieval.Evaluation;

/// <summary>
/// Endless English prose from a seed: a village chronicle in paragraphs of four to nine sentences, made from the grammar in
/// <see cref="ProseWords"/>. It states nothing that a needle could be confused with: no numbers, no codes, no favourites.
/// </summary>
public sealed class Prose
{
    private readonly SeededRandom _random;
    private readonly StringBuilder _text = new();
    private Person _hero;
    private Person _other;

    private Prose(int seed)
    {
        _random = new SeededRandom(seed);
        _hero = _random.Pick(ProseWords.People);
        _other = _random.Pick(ProseWords.People);
    }

    /// <summary>
    /// Sentences without end. Each begins with the white space that separates it from the one before, a blank or an empty
    /// line, so that their concatenation is the text (the first begins with nothing).
    /// </summary>
    public static IEnumerable<string> Sentences(int seed)
    {
        var prose = new Prose(seed);
        string separator = "";
        while (true)
        {
            prose.ChoosePeople();
            int sentences = prose._random.Between(4, 9);
            for (int i = 0; i < sentences; i++)
            {
                yield return separator + prose.Sentence(i == 0 ? ProseWords.Openings : ProseWords.Sentences);
                separator = " ";
            }
            separator = "\n\n";
        }
    }

    private void ChoosePeople()
    {
        _hero = _random.Next(3) == 0 ? _hero : _random.Pick(ProseWords.People);
        do
            _other = _random.Pick(ProseWords.People);
        while (_other == _hero);
    }

    private string Sentence(string[] patterns)
    {
        _text.Clear();
        Expand(_random.Pick(patterns));
        for (int i = 0; i < _text.Length; i++)
        {
            if (!char.IsLetter(_text[i]))
                continue;
            _text[i] = char.ToUpperInvariant(_text[i]);
            break;
        }
        return _text.ToString();
    }

    /// <summary>Copies a pattern, replacing each [slot] by a random expansion of it; [a slot] puts "a" or "an" before.</summary>
    private void Expand(string pattern)
    {
        int at = 0;
        while (at < pattern.Length)
        {
            int open = pattern.IndexOf('[', at);
            if (open < 0)
            {
                _text.Append(pattern, at, pattern.Length - at);
                return;
            }
            _text.Append(pattern, at, open - at);
            int close = pattern.IndexOf(']', open);
            Fill(pattern[(open + 1)..close]);
            at = close + 1;
        }
    }

    private void Fill(string slot)
    {
        switch (slot)
        {
            case "hero": _text.Append(_hero.Name); return;
            case "other": _text.Append(_other.Name); return;
            case "he": _text.Append(_hero.He); return;
            case "him": _text.Append(_hero.Him); return;
            case "his": _text.Append(_hero.His); return;
        }
        bool article = slot.StartsWith("a ", StringComparison.Ordinal);
        int start = _text.Length;
        Expand(_random.Pick(ProseWords.Slots[article ? slot[2..] : slot]));
        if (article)
            _text.Insert(start, "aeiou".Contains(char.ToLowerInvariant(_text[start])) ? "an " : "a ");
    }
}

/// <summary>Somebody in the chronicle, with pronouns.</summary>
internal sealed record Person(string Name, string He, string Him, string His);
