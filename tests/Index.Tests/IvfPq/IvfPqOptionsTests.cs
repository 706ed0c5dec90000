using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class IvfPqOptionsTests
{
    /// <summary>As few as the axes a code stands for allow, in whole octets.</summary>
    [Theory]
    [InlineData(8, 4, 8)]
    [InlineData(16, 4, 8)]
    [InlineData(32, 4, 8)]
    [InlineData(33, 4, 16)]
    [InlineData(64, 4, 16)]
    [InlineData(80, 4, 24)]
    [InlineData(128, 4, 32)]
    [InlineData(256, 4, 64)]
    [InlineData(64, 1, 64)]
    [InlineData(64, 8, 8)]
    [InlineData(64, 3, 24)]
    [InlineData(128, 1000, 8)]
    public void ARowHasWholeOctetsOfCodes(int dim, int axesPerCode, int codes)
        => Assert.Equal(codes, new IvfPqOptions { AxesPerCode = axesPerCode }.Subspaces(dim));

    /// <summary>Five for eight axes, or as many as usual if those are more.</summary>
    [Theory]
    [InlineData(8, 4, 8)]
    [InlineData(64, 4, 40)]
    [InlineData(80, 4, 56)]
    [InlineData(128, 4, 80)]
    [InlineData(64, 1, 64)]
    [InlineData(64, 1000, 40)]
    public void ASharpHeadHasMore(int dim, int axesPerCode, int codes)
        => Assert.Equal(codes, new IvfPqOptions { AxesPerCode = axesPerCode }.Subspaces(dim, sharp: true));

    [Fact]
    public void MoreCodesThanCanBeSummedAreRefused()
    {
        void Build(int axesPerCode) => IvfPqIndex.Build(Heads.Keys(100, 264), Heads.Values(100, 264), 0, 100, Heads.Moments(264), new IvfPqOptions { AxesPerCode = axesPerCode });
        Build(2);
        Assert.Contains("264 codes and can have 256", Assert.Throws<ArgumentException>(() => Build(1)).Message, StringComparison.Ordinal);
    }
}
