namespace Retrieval.Index;

/// <summary>Exact selection of the largest scores: a threshold found by quickselect, then one ordered pass. Ties go to the lower row.</summary>
public static class TopK
{
    /// <summary>Writes the <paramref name="k"/> rows of largest score, in order of their row number.</summary>
    /// <param name="scores">Score of each row. NaN is not allowed.</param>
    /// <param name="scratch">At least as long as <paramref name="scores"/>; overwritten.</param>
    /// <param name="first">Number of the first row.</param>
    /// <returns>min(k, number of scores).</returns>
    public static int Select(ReadOnlySpan<float> scores, Span<float> scratch, int k, int first, Span<Hit> hits)
    {
        if (k >= scores.Length)
        {
            for (int i = 0; i < scores.Length; i++)
                hits[i] = new Hit(first + i, scores[i]);
            return scores.Length;
        }
        if (k <= 0)
            return 0;
        scores.CopyTo(scratch);
        float threshold = KthLargest(scratch[..scores.Length], k);
        int above = 0;
        foreach (float score in scores)
        {
            if (score > threshold)
                above++;
        }
        int ties = k - above, written = 0;
        for (int i = 0; written < k; i++)
        {
            if (scores[i] > threshold || (scores[i] == threshold && ties-- > 0))
                hits[written++] = new Hit(first + i, scores[i]);
        }
        return k;
    }

    /// <summary>The value at place k of the descending order; reorders its input.</summary>
    private static float KthLargest(Span<float> values, int k)
    {
        int low = 0, high = values.Length - 1, target = k - 1;
        while (low < high)
        {
            float pivot = MedianOfThree(values[low], values[(low + high) / 2], values[high]);
            int i = low, j = high;
            while (i <= j)
            {
                while (values[i] > pivot)
                    i++;
                while (values[j] < pivot)
                    j--;
                if (i <= j)
                {
                    (values[i], values[j]) = (values[j], values[i]);
                    i++;
                    j--;
                }
            }
            if (target <= j)
                high = j;
            else if (target >= i)
                low = i;
            else
                break;
        }
        return values[target];
    }

    private static float MedianOfThree(float a, float b, float c)
        => MathF.Max(MathF.Min(a, b), MathF.Min(MathF.Max(a, b), c));
}
