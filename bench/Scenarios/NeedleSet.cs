using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Scenarios;

/// <summary>Facts to hide, and which of them to ask for.</summary>
/// <param name="OneOfAKind">Facts of as many kinds; all are asked for.</param>
/// <param name="SameKind">Codes of different persons, each other's distractors.</param>
/// <param name="Ask">How many of those are asked for.</param>
internal sealed record NeedleSet(int Seed, int OneOfAKind, int SameKind, int Ask)
{
    public (IReadOnlyList<Needle> Hidden, HashSet<Needle> Asked) Make()
    {
        if (OneOfAKind < 0 || OneOfAKind > NeedleMaker.Kinds)
            throw new InputException($"--one-of-a-kind is {OneOfAKind}; it must be from 0 to {NeedleMaker.Kinds}.");
        if (Ask < 0 || Ask > SameKind || OneOfAKind + Ask == 0)
            throw new InputException($"--ask is {Ask}; it must be from 0 to --same-kind, {SameKind}, and something must be asked for.");
        var maker = new NeedleMaker(Seed);
        IReadOnlyList<Needle> single = maker.OneOfAKind(OneOfAKind);
        IReadOnlyList<Needle> same = maker.SameKind(SameKind);
        return ([.. single, .. same], [.. single, .. same.Take(Ask)]);
    }
}
