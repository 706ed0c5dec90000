namespace Retrieval.Index;

/// <summary>Where to cut axes of falling variance into sub-spaces of 4 bits each.</summary>
internal static class SubspaceCuts
{
    private const double Bits = 4;

    /// <summary>The cuts of least expected distortion, by dynamic programming over all of them.</summary>
    /// <param name="variances">Falling.</param>
    /// <returns>First axis of each sub-space and, last, the number of axes. With fewer axes than sub-spaces some are empty.</returns>
    public static int[] Choose(ReadOnlySpan<double> variances, int subspaces)
    {
        int dim = variances.Length;
        var cost = new double[dim + 1, dim + 1];
        double[] sorted = variances.ToArray();
        for (int first = 0; first < dim; first++)
        {
            for (int end = first + 1; end <= dim; end++)
                cost[first, end] = Distortion(sorted.AsSpan(first, end - first));
        }
        var best = new double[subspaces + 1, dim + 1];
        var from = new int[subspaces + 1, dim + 1];
        for (int end = 1; end <= dim; end++)
            best[0, end] = double.PositiveInfinity;
        for (int s = 1; s <= subspaces; s++)
        {
            for (int end = 0; end <= dim; end++)
            {
                best[s, end] = double.PositiveInfinity;
                for (int first = 0; first <= end; first++)
                {
                    double total = best[s - 1, first] + cost[first, end];
                    if (total >= best[s, end])
                        continue;
                    best[s, end] = total;
                    from[s, end] = first;
                }
            }
        }
        var starts = new int[subspaces + 1];
        starts[subspaces] = dim;
        for (int s = subspaces; s > 0; s--)
            starts[s - 1] = from[s, starts[s]];
        return starts;
    }

    /// <summary>
    /// What 4 bits leave of Gaussian axes: reverse water-filling (Cover and Thomas, section 10.3.3), Σ min(θ, λ) with
    /// Σ ½ log₂(λ/θ)⁺ = 4. A quantiser of 16 points loses somewhat more, by about the same factor everywhere.
    /// </summary>
    private static double Distortion(ReadOnlySpan<double> variances)
    {
        double logSum = 0;
        int active = 0;
        double rest = 0;
        foreach (double variance in variances)
            rest += variance;
        double result = rest;
        for (; active < variances.Length; active++)
        {
            double variance = Math.Max(variances[active], 1e-30);
            logSum += Math.Log2(variance);
            rest -= variances[active];
            int n = active + 1;
            double level = Math.Pow(2, (logSum - 2 * Bits) / n);
            if (level > variance)
                break;
            result = n * level + Math.Max(rest, 0);
        }
        return result;
    }
}
