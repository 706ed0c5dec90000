using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class CodeScanTests
{
    private const ushort Untouched = 12345;

    private delegate void Scan(byte* codes, int blocks, int pairs, byte* tables, int group, ushort* sums, int sumStride);

    private static readonly Scan[] Kernels = [CodeScan.Sum, CodeScan.SumReference];

    /// <summary>Each path has its own numbers of pairs: 8, other multiples of 4, all others; 128 is the most.</summary>
    public static TheoryData<int> Pairs => [1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 16, 17, 20, 31, 128];

    [Theory]
    [MemberData(nameof(Pairs))]
    public void SumsTheEntryOfEveryCode(int pairs)
    {
        foreach (int blocks in (int[])[0, 1, 2, 3, 7, 63])
        {
            for (int group = 1; group <= 9; group++)
                Check(pairs, blocks, group, new Random(pairs + 100 * blocks + group));
        }
    }

    /// <summary>The largest sum that 16 bits must hold: 256 entries of 255.</summary>
    [Fact]
    public void TheLargestSumFits()
    {
        const int Most = 128;
        byte[] codes = [.. Enumerable.Repeat((byte)0xF7, Most * CodeScan.BlockRows)], tables = [.. Enumerable.Repeat((byte)255, CodeScan.TableBytes(Most))];
        foreach (Scan scan in Kernels)
            Assert.All(Run(scan, codes, 1, Most, tables, 1, CodeScan.BlockRows), sum => Assert.Equal(256 * 255, sum));
    }

    /// <summary>Every table has sixteen bytes of its own, inside the memory that belongs to the query.</summary>
    [Theory]
    [MemberData(nameof(Pairs))]
    public void TablesDoNotOverlap(int pairs)
    {
        int[] offsets = [.. Enumerable.Range(0, 2 * pairs).Select(subspace => CodeScan.TableOffset(subspace, pairs)).Order()];
        Assert.Equal(Enumerable.Range(0, 2 * pairs).Select(i => 16 * i), offsets);
        Assert.Equal(offsets[^1] + 16, CodeScan.TableBytes(pairs));
    }

    private static void Check(int pairs, int blocks, int group, Random random)
    {
        const int BlockRows = CodeScan.BlockRows;
        int rows = blocks * BlockRows, stride = rows + group % 3;
        byte[] codes = new byte[rows * pairs], tables = new byte[group * CodeScan.TableBytes(pairs)];
        random.NextBytes(codes);
        random.NextBytes(tables);
        ushort[][] sums = [.. Kernels.Select(scan => Run(scan, codes, blocks, pairs, tables, group, stride))];
        Assert.Equal(sums[1], sums[0]);
        for (int g = 0; g < group && rows > 0; g++)
        {
            for (int row = 0; row < rows; row++)
            {
                int sum = 0;
                for (int subspace = 0; subspace < 2 * pairs; subspace++)
                {
                    int both = codes[(row / BlockRows * pairs + subspace / 2) * BlockRows + row % BlockRows];
                    int code = subspace % 2 == 0 ? both % 16 : both / 16;
                    sum += tables[g * CodeScan.TableBytes(pairs) + CodeScan.TableOffset(subspace, pairs) + code];
                }
                if (sum != sums[0][g * stride + row])
                    Assert.Fail($"{pairs} pairs, query {g} of {group}, row {row} of {rows}: {sums[0][g * stride + row]} where {sum} is right");
            }
            for (int at = g * stride + rows; at < Math.Min(sums[0].Length, (g + 1) * stride); at++)
                Assert.Equal(Untouched, sums[0][at]);
        }
    }

    private static ushort[] Run(Scan scan, byte[] codes, int blocks, int pairs, byte[] tables, int group, int stride)
    {
        using var guardedCodes = new GuardedMemory<byte>(codes);
        using var guardedTables = new GuardedMemory<byte>(tables);
        using var sums = new GuardedMemory<ushort>((group - 1) * stride + blocks * CodeScan.BlockRows);
        sums.Span.Fill(Untouched);
        scan(guardedCodes.Pointer, blocks, pairs, guardedTables.Pointer, group, sums.Pointer, stride);
        return sums.Span.ToArray();
    }
}
