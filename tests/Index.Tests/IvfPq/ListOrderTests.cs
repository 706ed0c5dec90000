using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class ListOrderTests
{
    private const int Dim = 8, Panel = ListTable.PanelLists;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(33)]
    [InlineData(100)]
    [InlineData(256)]
    public void NoListIsLostOrDoubled(int count)
    {
        int[] lists = [.. Enumerable.Range(0, count)];
        ListOrder.Sort(lists, RandomData.Normal(count * Dim, 3), Dim);
        Assert.Equal(Enumerable.Range(0, count), lists.Order());
    }

    /// <summary>Heaps of a panel's size, their members in any order: each heap becomes a panel.</summary>
    [Fact]
    public void SimilarListsShareAPanel()
    {
        const int Heaps = 8, Count = Heaps * Panel;
        float[] middles = RandomData.Normal(Heaps * Dim, 5, 10), centres = RandomData.Normal(Count * Dim, 6, 0.1f);
        for (int i = 0; i < centres.Length; i++)
            centres[i] += middles[i / Dim % Heaps * Dim + i % Dim];
        int[] lists = [.. Enumerable.Range(0, Count)];

        ListOrder.Sort(lists, centres, Dim);

        foreach (int[] panel in lists.Chunk(Panel))
            Assert.Single(panel.Select(list => list % Heaps).Distinct());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(float.MaxValue)]
    public void CentresThatAreAllTheSameOrBeyondSquares(float value)
    {
        int[] lists = [.. Enumerable.Range(0, 40)];
        ListOrder.Sort(lists, [.. Enumerable.Repeat(value, 40 * Dim)], Dim);
        Assert.Equal(Enumerable.Range(0, 40), lists.Order());
    }
}
