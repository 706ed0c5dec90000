using System.Text.Json.Serialization;
using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Scenarios.Needles;

/// <summary>
/// Facts for eleven depths of a text, 0 to 100 %: at each some that are one of a kind and some of the same kind, each other's
/// distractors. The facts of a depth stand within a hundredth of the text, the first at 0 % at its beginning, the last at 100 % at its end.
/// </summary>
internal sealed class NeedleGrid
{
    public const int Depths = 11;

    /// <summary>Facts of the same kind in a text.</summary>
    public const int SameKind = 50;

    private const int OneOfAKindAsked = 2, SameKindAsked = 4;

    private const double Spread = 0.01;

    private readonly int _seed;
    private readonly List<Needle> _needles = [];
    private readonly List<double> _places = [];
    private readonly Dictionary<Needle, (NeedleFamily Family, int Depth)> _asked = [];

    public NeedleGrid(int seed)
    {
        _seed = seed;
        var maker = new NeedleMaker(seed);
        Needle[] single = [.. maker.OneOfAKind(Depths * OneOfAKindAsked)], same = [.. maker.SameKind(SameKind)];
        // Kinds come in a fixed order; they should not meet the same depth in every text.
        new SeededRandom(seed).Shuffle<Needle>(single);
        for (int i = 0; i < single.Length; i++)
            Ask(single[i], NeedleFamily.OneOfAKind, i % Depths, i / Depths);
        int asked = Depths * SameKindAsked;
        for (int i = 0; i < asked; i++)
            Ask(same[i], NeedleFamily.SameKind, i % Depths, OneOfAKindAsked + i / Depths);
        for (int i = asked; i < same.Length; i++)
            Hide(same[i], (i - asked + 0.5) / (same.Length - asked));
    }

    /// <summary>Questions about one text, all depths together.</summary>
    public int Questions => _asked.Count;

    /// <summary>Questions of a family about one text and one depth.</summary>
    public static int Asked(NeedleFamily family) => family == NeedleFamily.OneOfAKind ? OneOfAKindAsked : SameKindAsked;

    public Haystack Build(Engine engine, PromptForm form, NeedleQuiz quiz, int tokens)
    {
        using var builder = new HaystackBuilder(text => engine.Tokenizer.Encode(text).Length, Prose.Sentences(_seed), _seed);
        return builder.Build(_needles, _places, tokens - quiz.Reserve(_asked.Keys) - form.Head("").Length);
    }

    /// <summary>Where a fact belongs; null: it is not asked for.</summary>
    public (NeedleFamily Family, int Depth)? Cell(Needle needle) => _asked.TryGetValue(needle, out (NeedleFamily, int) cell) ? cell : null;

    private void Ask(Needle needle, NeedleFamily family, int depth, int rank)
    {
        _asked.Add(needle, (family, depth));
        double within = Spread * rank / (OneOfAKindAsked + SameKindAsked - 1);
        Hide(needle, (1 - Spread) * depth / (Depths - 1) + within);
    }

    private void Hide(Needle needle, double place)
    {
        _needles.Add(needle);
        _places.Add(place);
    }
}

[JsonConverter(typeof(JsonStringEnumConverter<NeedleFamily>))]
internal enum NeedleFamily
{
    OneOfAKind,
    SameKind,
}
