using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class CodeScanTests
{
    private const float Untouched = -123;
    private const int BlockRows = CodeScan.BlockRows;

    private delegate void Scan(byte* codes, int rows, int subspaces, byte* tables, int group, float* shift, float* scale, float* logits, int stride);

    private static readonly Scan[] Kernels = [CodeScan.Logits, CodeScan.LogitsReference];

    public static TheoryData<int> Subspaces => [8, 16, 24, 32, 256];

    /// <summary>Odd numbers of rows, and groups with and without a rest after threes.</summary>
    [Theory]
    [MemberData(nameof(Subspaces))]
    public void SumsTheEntryOfEveryCode(int subspaces)
    {
        foreach (int rows in (int[])[.. Shapes.Lengths, 2, 48, 129])
        {
            for (int group = 1; group <= 9; group++)
                Check(subspaces, rows, group, new Random(subspaces + 100 * rows + group));
        }
    }

    /// <summary>The largest sum that 16 bits must hold: 256 of the largest entries.</summary>
    [Fact]
    public void TheLargestSumFits()
    {
        const int Most = 256;
        byte[] codes = [.. Enumerable.Repeat((byte)0xF7, CodeScan.BlockBytes(Most))], tables = [.. Enumerable.Repeat((byte)CodeScan.MostOfEntry, 3 * CodeScan.TableBytes(Most))];
        foreach (Scan scan in Kernels)
        {
            foreach (int group in (int[])[1, 3])
                Assert.All(Run(scan, codes, BlockRows, Most, tables[..(group * CodeScan.TableBytes(Most))], [0, 0, 0], [1, 1, 1], BlockRows, group), logit => Assert.Equal(256 * CodeScan.MostOfEntry, logit));
        }
    }

    /// <summary>A single code other than 0 is found at its place, in its row, with its own entry of its own table.</summary>
    [Theory]
    [MemberData(nameof(Subspaces))]
    public void EveryPositionIsLookedUpInItsOwnTable(int subspaces)
    {
        const int Group = 4;
        var tables = new byte[Group * CodeScan.TableBytes(subspaces)];
        for (int subspace = 0; subspace < subspaces; subspace++)
        {
            int row = (5 * subspace + 3) % BlockRows, code = 1 + subspace % 15;
            Array.Clear(tables);
            for (int g = 0; g < Group; g++)
                tables[g * CodeScan.TableBytes(subspaces) + 16 * subspace + code] = (byte)(100 + g);
            var codes = new byte[CodeScan.BlockBytes(subspaces)];
            codes[CodeScan.CodeOffset(subspace, row)] = (byte)(CodeScan.IsUpper(subspace) ? code << 4 : code);
            float[] expected = [.. Enumerable.Range(0, Group * BlockRows).Select(i => i % BlockRows == row ? 100f + i / BlockRows : 0)];
            foreach (Scan scan in Kernels)
                Assert.Equal(expected, Run(scan, codes, BlockRows, subspaces, tables, new float[Group], [1, 1, 1, 1], BlockRows, Group));
        }
    }

    /// <summary>Every row's code of every sub-space has four bits of its own, inside the block.</summary>
    [Theory]
    [MemberData(nameof(Subspaces))]
    public void CodesDoNotOverlap(int subspaces)
    {
        int[] nibbles = [.. from s in Enumerable.Range(0, subspaces) from r in Enumerable.Range(0, BlockRows) select 2 * CodeScan.CodeOffset(s, r) + (CodeScan.IsUpper(s) ? 1 : 0)];
        Assert.Equal(Enumerable.Range(0, 2 * CodeScan.BlockBytes(subspaces)), nibbles.Order());
    }

    private static void Check(int subspaces, int rows, int group, Random random)
    {
        int whole = (rows + BlockRows - 1) / BlockRows * BlockRows, stride = whole + group % 3, tableBytes = CodeScan.TableBytes(subspaces);
        byte[] codes = new byte[whole / BlockRows * CodeScan.BlockBytes(subspaces)], tables = new byte[group * tableBytes];
        random.NextBytes(codes);
        tables = [.. tables.Select(_ => (byte)random.Next(CodeScan.MostOfEntry + 1))];
        float[] shift = RandomData.Normal(group, rows, 10), scale = RandomData.Normal(group, subspaces, 0.01f);
        foreach (Scan scan in Kernels)
        {
            float[] logits = Run(scan, codes, rows, subspaces, tables, shift, scale, stride, group);
            for (int at = 0; at < logits.Length; at++)
            {
                (int g, int row) = Math.DivRem(at, Math.Max(stride, 1));
                float expected = row >= whole ? Untouched : float.NegativeInfinity;
                if (row < rows)
                {
                    int sum = 0;
                    for (int s = 0; s < subspaces; s++)
                    {
                        // [block, subspaces / 8, row of the block, 4], lower nibbles before upper ones.
                        byte both = codes[((row / BlockRows * (subspaces / 8) + s / 8) * BlockRows + row % BlockRows) * 4 + s % 4];
                        sum += tables[g * tableBytes + 16 * s + (s % 8 < 4 ? both % 16 : both / 16)];
                    }
                    expected = MathF.FusedMultiplyAdd(scale[g], sum, shift[g]);
                }
                if (expected != logits[at])
                    Assert.Fail($"{scan.Method.Name}, {subspaces} codes, query {g} of {group}, row {row} of {rows}: {logits[at]} where {expected} is right");
            }
        }
    }

    private static float[] Run(Scan scan, byte[] codes, int rows, int subspaces, byte[] tables, float[] shift, float[] scale, int stride, int group)
    {
        int whole = (rows + BlockRows - 1) / BlockRows * BlockRows;
        using var guardedCodes = new GuardedMemory<byte>(codes);
        using var guardedTables = new GuardedMemory<byte>(tables);
        using var guardedShift = new GuardedMemory<float>(shift.AsSpan(0, group));
        using var guardedScale = new GuardedMemory<float>(scale.AsSpan(0, group));
        using var logits = new GuardedMemory<float>((group - 1) * stride + whole);
        logits.Span.Fill(Untouched);
        scan(guardedCodes.Pointer, rows, subspaces, guardedTables.Pointer, group, guardedShift.Pointer, guardedScale.Pointer, logits.Pointer, stride);
        return logits.Span.ToArray();
    }
}
