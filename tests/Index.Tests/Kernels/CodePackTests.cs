using Retrieval.Index.Kernels;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class CodePackTests
{
    /// <summary>Every code is where the scan looks for it, whatever was there before.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(40)]
    [InlineData(CodeScan.MostSubspaces)]
    public void EveryCodeIsAtItsPlace(int subspaces)
    {
        var random = new Random(subspaces);
        int[] codes = [.. Enumerable.Range(0, subspaces * CodeScan.BlockRows).Select(_ => random.Next(16))];
        byte[] fast = [.. Enumerable.Repeat((byte)0xA5, CodeScan.BlockBytes(subspaces))], reference = [.. fast];
        fixed (int* code = codes)
        fixed (byte* target = fast, expected = reference)
        {
            CodePack.Store(code, subspaces, target);
            CodePack.StoreReference(code, subspaces, expected);
        }
        for (int s = 0; s < subspaces; s++)
        {
            for (int row = 0; row < CodeScan.BlockRows; row++)
            {
                byte pair = reference[CodeScan.CodeOffset(s, row)];
                Assert.Equal(codes[s * CodeScan.BlockRows + row], CodeScan.IsUpper(s) ? pair >> 4 : pair & 15);
            }
        }
        Assert.Equal(reference, fast);
    }
}
