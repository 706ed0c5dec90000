using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Logits of rows from their 4-bit codes: sums of table entries, with the tables held in registers. A "fast scan" (André et al.,
/// "Quicker ADC", arXiv 1812.09162) in a layout of ours: four codes of a row lie beside each other, so that one permutation of 64
/// bytes looks up four tables for sixteen rows, and multiply-add instructions sum up a row's entries where they are.
/// </summary>
public static unsafe class CodeScan
{
    /// <summary>Rows of a block.</summary>
    public const int BlockRows = 16;

    /// <summary>The number of a row's codes is a multiple of this.</summary>
    public const int Octet = 8;

    /// <summary>A row has at most so many codes: a sum of half its entries fits in 15 bits.</summary>
    public const int MostSubspaces = 256;

    /// <summary>Largest entry of a table: two of them are summed in a byte.</summary>
    public const int MostOfEntry = 127;

    /// <summary>Blocks that so many rows fill, the last one perhaps in part.</summary>
    public static int Blocks(int rows) => (rows + BlockRows - 1) / BlockRows;

    /// <summary>Bytes of the codes of a block.</summary>
    public static int BlockBytes(int subspaces) => BlockRows * subspaces / 2;

    /// <summary>
    /// Byte of a row's code in its block, [subspaces / 8, 16 rows, 4]; codes 8o … 8o + 3 are the lower nibbles of octet o's four
    /// bytes, 8o + 4 … 8o + 7 the upper.
    /// </summary>
    public static int CodeOffset(int subspace, int row) => subspace / Octet * 4 * BlockRows + 4 * row + subspace % 4;

    /// <summary>Is a code the upper nibble of its byte?</summary>
    public static bool IsUpper(int subspace) => subspace % Octet >= 4;

    /// <summary>Bytes of a query's tables: sixteen entries a sub-space, one after another.</summary>
    public static int TableBytes(int subspaces) => 16 * subspaces;

    /// <summary>Reference. As <see cref="Logits"/>.</summary>
    public static void LogitsReference(byte* codes, int rows, int subspaces, byte* tables, int group, float* shift, float* scale, float* logits, int stride)
    {
        for (int g = 0; g < group; g++, tables += TableBytes(subspaces))
        {
            for (int row = 0; row < Blocks(rows) * BlockRows; row++)
            {
                byte* block = codes + row / BlockRows * BlockBytes(subspaces);
                int sum = 0;
                for (int s = 0; s < subspaces; s++)
                {
                    byte code = block[CodeOffset(s, row % BlockRows)];
                    sum += tables[16 * s + (IsUpper(s) ? code >> 4 : code & 15)];
                }
                logits[(long)g * stride + row] = row < rows ? MathF.FusedMultiplyAdd(scale[g], sum, shift[g]) : float.NegativeInfinity;
            }
        }
    }

    /// <summary>logits[g, row] = shift[g] + scale[g] · Σ_s table[g, s][code of row in s].</summary>
    /// <param name="codes">Blocks of <see cref="BlockBytes"/>, bytes at <see cref="CodeOffset"/>.</param>
    /// <param name="subspaces">A multiple of 8, at most <see cref="MostSubspaces"/>.</param>
    /// <param name="tables">[group, <see cref="TableBytes"/>], each entry at most <see cref="MostOfEntry"/>.</param>
    /// <param name="logits">[group, stride]; whole blocks are written, −∞ beyond <paramref name="rows"/>.</param>
    public static void Logits(byte* codes, int rows, int subspaces, byte* tables, int group, float* shift, float* scale, float* logits, int stride)
    {
        if (!Vector128.IsHardwareAccelerated)
        {
            LogitsReference(codes, rows, subspaces, tables, group, shift, scale, logits, stride);
            return;
        }
        int blocks = Blocks(rows), bytes = TableBytes(subspaces), g = 0;
        if (Avx512Vbmi.IsSupported && Avx512BW.IsSupported)
        {
            for (int some; g < group; g += some)
            {
                some = QueryCount.Next(group - g);
                byte* own = tables + g * bytes;
                float* target = logits + (long)g * stride;
                if (some == 3)
                    Three(codes, blocks, subspaces, own, shift + g, scale + g, target, stride);
                else if (some == 2)
                    Two(codes, blocks, subspaces, own, shift + g, scale + g, target, stride);
                else
                    One(codes, blocks, subspaces, own, shift[g], scale[g], target);
            }
        }
        for (; g < group; g++)
            Narrow(codes, blocks, subspaces, tables + g * bytes, shift[g], scale[g], logits + (long)g * stride);
        if (rows % BlockRows != 0)
            End(logits + rows / BlockRows * BlockRows, rows % BlockRows, group, stride);
    }

    /// <summary>Of a block of logits all but the first few become −∞.</summary>
    private static void End(float* logits, int rows, int group, int stride)
    {
        Vector512<float> beyond = Vector512.GreaterThanOrEqual(Vector512<int>.Indices, Vector512.Create(rows)).AsSingle();
        for (int g = 0; g < group; g++, logits += stride)
            Vector512.ConditionalSelect(beyond, Vector512.Create(float.NegativeInfinity), Vector512.Load(logits)).Store(logits);
    }

    private static void Three(byte* codes, int blocks, int subspaces, byte* tables, float* shift, float* scale, float* logits, int stride)
    {
        int octets = subspaces / Octet, bytes = TableBytes(subspaces);
        Vector512<float> shift0 = Vector512.Create(shift[0]), shift1 = Vector512.Create(shift[1]), shift2 = Vector512.Create(shift[2]);
        Vector512<float> scale0 = Vector512.Create(scale[0]), scale1 = Vector512.Create(scale[1]), scale2 = Vector512.Create(scale[2]);
        for (int block = 0; block < blocks; block++, logits += BlockRows)
        {
            Vector512<short> sum0 = default, sum1 = default, sum2 = default;
            byte* table = tables;
            for (int octet = 0; octet < octets; octet++, codes += 64, table += 128)
            {
                (Vector512<byte> low, Vector512<byte> high) = Indices(codes);
                sum0 += Lookup(table, low, high);
                sum1 += Lookup(table + bytes, low, high);
                sum2 += Lookup(table + 2 * bytes, low, high);
            }
            Logit(sum0, scale0, shift0).Store(logits);
            Logit(sum1, scale1, shift1).Store(logits + stride);
            Logit(sum2, scale2, shift2).Store(logits + 2L * stride);
        }
    }

    private static void Two(byte* codes, int blocks, int subspaces, byte* tables, float* shift, float* scale, float* logits, int stride)
    {
        Vector512<float> shift0 = Vector512.Create(shift[0]), shift1 = Vector512.Create(shift[1]), scale0 = Vector512.Create(scale[0]), scale1 = Vector512.Create(scale[1]);
        for (int block = 0; block < blocks; block++, codes += BlockBytes(subspaces), logits += BlockRows)
        {
            (Vector512<short> sum0, Vector512<short> sum1) = PairSums(codes, subspaces, tables);
            Logit(sum0, scale0, shift0).Store(logits);
            Logit(sum1, scale1, shift1).Store(logits + stride);
        }
    }

    /// <summary>Sums of the entries of one block for two queries, each in two numbers a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector512<short>, Vector512<short>) PairSums(byte* codes, int subspaces, byte* tables)
    {
        Vector512<short> sum0 = default, sum1 = default;
        byte* second = tables + TableBytes(subspaces);
        for (byte* table = tables; table < second; codes += 64, table += 128)
        {
            (Vector512<byte> low, Vector512<byte> high) = Indices(codes);
            sum0 += Lookup(table, low, high);
            sum1 += Lookup(table + (second - tables), low, high);
        }
        return (sum0, sum1);
    }

    private static void One(byte* codes, int blocks, int subspaces, byte* tables, float shift, float scale, float* logits)
    {
        Vector512<float> start = Vector512.Create(shift), step = Vector512.Create(scale);
        for (int block = 0; block < blocks; block++, logits += BlockRows)
        {
            Vector512<short> sum = default;
            byte* table = tables;
            for (int octet = 0; octet < subspaces / Octet; octet++, codes += 64, table += 128)
            {
                (Vector512<byte> low, Vector512<byte> high) = Indices(codes);
                sum += Lookup(table, low, high);
            }
            Logit(sum, step, start).Store(logits);
        }
    }

    /// <summary>Entries of four tables by number, 0 to 63: a code and which of the four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector512<byte> Low, Vector512<byte> High) Indices(byte* codes)
    {
        Vector512<byte> nibble = Vector512.Create((byte)15), which = Vector512.Create(0x30201000u).AsByte(), packed = Vector512.Load(codes);
        return ((packed & nibble) | which, ((packed.AsUInt16() >> 4).AsByte() & nibble) | which);
    }

    /// <summary>Entries of eight tables, added by fours. Two entries are a byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<short> Lookup(byte* table, Vector512<byte> low, Vector512<byte> high)
        => Avx512BW.MultiplyAddAdjacent(
            Avx512Vbmi.PermuteVar64x8(Vector512.Load(table), low) + Avx512Vbmi.PermuteVar64x8(Vector512.Load(table + 64), high), Vector512<sbyte>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Logit(Vector512<short> pairs, Vector512<float> scale, Vector512<float> shift)
        => Vector512.FusedMultiplyAdd(scale, Vector512.ConvertToSingle(Avx512BW.MultiplyAddAdjacent(pairs, Vector512<short>.One)), shift);

    /// <summary>Four rows at a time; a table is looked up for its own byte of each row, the other three are out of its range.</summary>
    private static void Narrow(byte* codes, int blocks, int subspaces, byte* tables, float shift, float scale, float* logits)
    {
        Vector128<byte> nibble = Vector128.Create((byte)15);
        Vector128<uint> own = Vector128.Create(0x80808000u);
        Vector128<float> start = Vector128.Create(shift), step = Vector128.Create(scale);
        for (int block = 0; block < blocks; block++, codes += BlockBytes(subspaces), logits += BlockRows)
        {
            for (int row = 0; row < BlockRows; row += 4)
            {
                Vector128<uint> sum = default;
                byte* table = tables;
                for (int octet = 0; octet < subspaces / Octet; octet++, table += 128)
                {
                    Vector128<byte> packed = Vector128.Load(codes + octet * 64 + 4 * row), low = packed & nibble, high = packed >> 4;
                    Vector128<byte> first = default, second = default;
                    for (int j = 0; j < 4; j++)
                    {
                        Vector128<byte> others = Rotated(own, j);
                        first |= Vector128.Shuffle(Vector128.Load(table + 16 * j), low | others);
                        second |= Vector128.Shuffle(Vector128.Load(table + 64 + 16 * j), high | others);
                    }
                    sum += Sum(first) + Sum(second);
                }
                Vector128.FusedMultiplyAdd(step, Vector128.ConvertToSingle(sum.AsInt32()), start).Store(logits + row);
            }
        }
    }

    private static Vector128<byte> Rotated(Vector128<uint> bytes, int by) => (by == 0 ? bytes : (bytes << (8 * by)) | (bytes >> (32 - 8 * by))).AsByte();

    /// <summary>Sums of four neighbours each.</summary>
    private static Vector128<uint> Sum(Vector128<byte> bytes)
    {
        Vector128<ushort> pairs = (bytes.AsUInt16() & Vector128.Create((ushort)255)) + (bytes.AsUInt16() >> 8);
        return (pairs.AsUInt32() & Vector128.Create(65535u)) + (pairs.AsUInt32() >> 16);
    }
}
