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
}
