namespace Retrieval.Evaluation;

/// <summary>
/// Makes needles from a seed. One maker serves one text: names, numbers and keys never come twice from the same maker, so
/// no two needles contradict each other.
/// </summary>
public sealed class NeedleMaker(int seed)
{
    /// <summary>Most needles that <see cref="OneOfAKind"/> can make.</summary>
    public static int Kinds { get; } = NeedleWords.Nouns.Length - 1 + NeedleWords.Favourites.Length + 2;

    private readonly SeededRandom _random = new(seed);
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>Needles of <paramref name="count"/> different kinds, codes, favourites, a key-value line and a pass key in turn.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More than <see cref="Kinds"/>.</exception>
    public IReadOnlyList<Needle> OneOfAKind(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Kinds);
        // The noun of SameKind is left out, so that both sets can stand in one text.
        var codes = new Queue<string>(NeedleWords.Nouns.Where(noun => noun != SameKindNoun));
        var favourites = new Queue<(string Thing, string[] Answers)>(NeedleWords.Favourites);
        var needles = new List<Needle>();
        for (int turn = 0; needles.Count < count; turn++)
        {
            switch (turn % 5)
            {
                case 0 or 3 when codes.Count > 0:
                    needles.Add(Code(codes.Dequeue(), Name()));
                    break;
                case 1 or 4 when favourites.Count > 0:
                    (string thing, string[] answers) = favourites.Dequeue();
                    needles.Add(Favourite(thing, Name(), answers));
                    break;
                case 2 when turn == 2:
                    needles.Add(KeyValue());
                    break;
                case 2 when turn == 7:
                    needles.Add(PassKey());
                    break;
            }
        }
        return needles;
    }

    private const string SameKindNoun = "vault code";

    /// <summary>Codes of that many persons; half of the later ones share a first or a last name with an earlier one.</summary>
    public IReadOnlyList<Needle> SameKind(int count)
    {
        var names = new List<string>();
        while (names.Count < count)
            names.Add(names.Count >= 2 && _random.Next(2) == 0 ? Similar(_random.Pick(names)) : Name());
        return [.. names.Select(name => Code(SameKindNoun, name))];
    }

    private Needle Code(string noun, string name)
    {
        string number = Fresh(() => _random.Between(10000, 99999).ToString(System.Globalization.CultureInfo.InvariantCulture));
        return new Needle($"The {noun} for {name} is {number}.", $"What is the {noun} for {name}?", number, noun, name);
    }

    private Needle Favourite(string thing, string name, string[] answers)
    {
        string answer = Fresh(() => _random.Pick(answers));
        return new Needle($"{name}'s favourite {thing} is {answer}.", $"What is {name}'s favourite {thing}?", answer, $"favourite {thing}", name);
    }

    private Needle KeyValue()
    {
        string key = Hex(), value = Hex();
        return new Needle($"\"{key}\": \"{value}\"", $"What is the value of \"{key}\"?", value, "key-value", key, OwnParagraph: true);
    }

    private Needle PassKey()
    {
        string number = Fresh(() => _random.Between(10000, 99999).ToString(System.Globalization.CultureInfo.InvariantCulture));
        return new Needle($"The pass key is {number}. Remember it.", "What is the pass key?", number, "pass key", "");
    }

    /// <summary>Four hexadecimal digits, not all of them decimal, so that no number of another needle looks like one.</summary>
    private string Hex()
    {
        string made;
        do
            made = string.Concat(Enumerable.Range(0, 4).Select(_ => "0123456789abcdef"[_random.Next(16)]));
        while (made.All(char.IsAsciiDigit) || !_taken.Add(made));
        return made;
    }

    /// <summary>A name that shares neither part with another one of this maker while there are enough.</summary>
    private string Name()
    {
        string first = Unused(NeedleWords.FirstNames), last = Unused(NeedleWords.LastNames);
        return _taken.Add($"{first} {last}") ? $"{first} {last}" : Name();
    }

    private string Unused(string[] names)
    {
        string[] left = [.. names.Where(name => !_taken.Contains(name))];
        string chosen = _random.Pick(left.Length > 0 ? left : names);
        _taken.Add(chosen);
        return chosen;
    }

    private string Similar(string name) => Fresh(() =>
    {
        string[] parts = name.Split(' ');
        return _random.Next(2) == 0
            ? $"{parts[0]} {_random.Pick(NeedleWords.LastNames)}"
            : $"{_random.Pick(NeedleWords.FirstNames)} {parts[1]}";
    });

    private string Fresh(Func<string> make)
    {
        string made;
        do
            made = make();
        while (!_taken.Add(made));
        return made;
    }
}
