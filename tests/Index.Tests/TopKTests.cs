using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

public sealed class TopKTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(17)]
    [InlineData(1000)]
    public void EqualsAFullSort(int count)
    {
        // Distinct values, many equal ones, all equal, ascending and descending: the cases of a quickselect.
        float[] random = RandomData.Normal(count, count);
        float[][] cases =
        [
            random, Array.ConvertAll(random, x => MathF.Round(x)), new float[count],
            [.. random.Order()], [.. random.OrderDescending()],
            Array.ConvertAll(random, x => x < -1 ? float.NegativeInfinity : x > 1 ? float.PositiveInfinity : x),
        ];
        foreach (float[] scores in cases)
        {
            foreach (int k in ((int[])[0, 1, 2, count / 2, count - 1, count, count + 5]).Where(k => k >= 0).Distinct())
            {
                int[] expected = [.. Enumerable.Range(0, count).OrderByDescending(i => scores[i]).ThenBy(i => i).Take(k).Order()];
                var hits = new Hit[Math.Max(k, count)];
                int found = TopK.Select(scores, new float[count], k, 100, hits);
                Assert.Equal(expected.Length, found);
                Assert.Equal(expected.Select(row => new Hit(100 + row, scores[row])), hits[..found]);
            }
        }
    }
}
