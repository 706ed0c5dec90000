namespace Retrieval.Index;

/// <summary>
/// The score above which a budget is filled, from a histogram of the scores' floating-point bits: sixteen steps an octave. One pass
/// without comparisons, as fine as the estimates that it is used on; the last step is filled in the order of the rows.
/// </summary>
internal sealed class BudgetThreshold
{
    private const int Shift = 19;
    private const int Bins = 1 << 11;

    // Scores below 2^-64 share the lowest bin.
    private const int LowestBits = (127 - 64) << 4;

    private readonly int[] _bins = new int[Bins];
    private readonly double[] _sums = new double[Bins];

    public void Clear()
    {
        Array.Clear(_bins);
        Array.Clear(_sums);
    }

    /// <summary>Takes in a score; 0 and less never counts.</summary>
    public void Add(float score, int weight = 1)
    {
        if (score > 0)
            _bins[Bin(score)] += weight;
    }

    /// <summary>Takes in a score whose sum matters.</summary>
    public void AddToSum(float score)
    {
        if (score > 0)
            _sums[Bin(score)] += score;
    }

    /// <summary>Which scores to take so that those left over, all added by <see cref="AddToSum"/>, sum up to at most a limit.</summary>
    public BudgetCut FindRest(double limit)
    {
        double left = 0;
        for (int bin = 0; bin < Bins; bin++)
        {
            left += _sums[bin];
            if (left > limit)
                return new BudgetCut(LowerBound(bin), LowerBound(bin), 0);
        }
        return new BudgetCut(float.PositiveInfinity, float.PositiveInfinity, 0);
    }

    /// <summary>Which scores fill a budget.</summary>
    public BudgetCut Find(long budget)
    {
        long taken = 0;
        for (int bin = Bins - 1; bin >= 0; bin--)
        {
            if (taken + _bins[bin] > budget)
                return new BudgetCut(LowerBound(bin + 1), LowerBound(bin), budget - taken);
            taken += _bins[bin];
        }
        return new BudgetCut(float.Epsilon, float.Epsilon, 0);
    }

    private static int Bin(float score) => Math.Clamp((BitConverter.SingleToInt32Bits(score) >> Shift) - LowestBits, 0, Bins - 1);

    private static float LowerBound(int bin) => bin switch
    {
        0 => float.Epsilon,
        >= Bins => float.PositiveInfinity,
        _ => BitConverter.Int32BitsToSingle((bin + LowestBits) << Shift),
    };
}

/// <summary>Takes scores in order until a budget is spent: all from one score on, and those a step below while anything is left.</summary>
internal struct BudgetCut(float sure, float edge, long left)
{
    private long _left = left;

    /// <summary>The least score that can be taken at all.</summary>
    public readonly float Edge => edge;

    /// <summary>Is a score that costs <paramref name="weight"/> taken?</summary>
    public bool Takes(float score, int weight = 1) => score >= sure || (score >= edge && (_left -= weight) >= 0);
}
