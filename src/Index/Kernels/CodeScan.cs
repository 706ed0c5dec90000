using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Sums of table entries named by 4-bit codes, sixteen rows at a time, with the tables held in registers (André et al.,
/// "Quicker ADC", arXiv 1812.09162; the layout is ours: a vector of 64 bytes holds sixteen rows of four code pairs, and each of
/// its 128-bit lanes has a table of its own).
/// </summary>
public static unsafe class CodeScan
{
    /// <summary>Rows of a block.</summary>
    public const int BlockRows = 16;

    /// <summary>Bytes of a query's tables for so many pairs of sub-quantisers.</summary>
    public static int TableBytes(int pairs) => 32 * pairs;

    /// <summary>
    /// Offset of a sub-quantiser's sixteen entries. Four pairs share 128 bytes: first the tables of their lower nibbles, then of the upper.
    /// </summary>
    public static int TableOffset(int subspace, int pairs)
    {
        int pair = subspace / 2, upper = subspace % 2, whole = pairs / 4 * 4;
        return pair < whole ? pair / 4 * 128 + upper * 64 + pair % 4 * 16 : 32 * pair + upper * 16;
    }

    /// <summary>Reference. As <see cref="Sum"/>.</summary>
    public static void SumReference(byte* codes, int blocks, int pairs, byte* tables, int group, ushort* sums, int sumStride)
    {
        for (int g = 0; g < group; g++, tables += TableBytes(pairs))
        {
            for (int row = 0; row < blocks * BlockRows; row++)
            {
                byte* block = codes + row / BlockRows * pairs * BlockRows;
                int sum = 0;
                for (int pair = 0; pair < pairs; pair++)
                {
                    byte code = block[pair * BlockRows + row % BlockRows];
                    sum += tables[TableOffset(2 * pair, pairs) + (code & 15)] + tables[TableOffset(2 * pair + 1, pairs) + (code >> 4)];
                }
                sums[(long)g * sumStride + row] = (ushort)sum;
            }
        }
    }

    /// <summary>sums[g, row] = Σ_s table[g, s][code of row in s].</summary>
    /// <param name="codes">[blocks, pairs, 16]: two codes a byte, that of the even sub-quantiser in the lower nibble.</param>
    /// <param name="pairs">Pairs of sub-quantisers, at most 128 so that a sum fits in 16 bits.</param>
    /// <param name="tables">[group, <see cref="TableBytes"/>], entries at <see cref="TableOffset"/>.</param>
    /// <param name="sums">[group, sumStride]</param>
    public static void Sum(byte* codes, int blocks, int pairs, byte* tables, int group, ushort* sums, int sumStride)
    {
        if (Avx512BW.IsSupported && pairs == 8)
        {
            for (int g = 0; g < group; g++)
                SumEightPairs(codes, blocks, tables + g * TableBytes(8), sums + (long)g * sumStride);
        }
        else if (Avx512BW.IsSupported && pairs % 4 == 0)
        {
            for (int g = 0; g < group; g++)
                SumFours(codes, blocks, pairs, tables + g * TableBytes(pairs), sums + (long)g * sumStride);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (int g = 0; g < group; g++)
                SumPairs(codes, blocks, pairs, tables + g * TableBytes(pairs), sums + (long)g * sumStride);
        }
        else
        {
            SumReference(codes, blocks, pairs, tables, group, sums, sumStride);
        }
    }

    private static void SumEightPairs(byte* codes, int blocks, byte* tables, ushort* sums)
    {
        Vector512<byte> low0 = Vector512.Load(tables), high0 = Vector512.Load(tables + 64);
        Vector512<byte> low1 = Vector512.Load(tables + 128), high1 = Vector512.Load(tables + 192), nibble = Vector512.Create((byte)15);
        Vector512<ushort> evenBytes = Vector512.Create((ushort)255);
        for (int block = 0; block < blocks; block++, codes += 128, sums += BlockRows)
        {
            Vector512<byte> a = Vector512.Load(codes), b = Vector512.Load(codes + 64);
            Vector512<ushort> s0 = Avx512BW.Shuffle(low0, a & nibble).AsUInt16();
            Vector512<ushort> s1 = Avx512BW.Shuffle(high0, (a.AsUInt16() >> 4).AsByte() & nibble).AsUInt16();
            Vector512<ushort> s2 = Avx512BW.Shuffle(low1, b & nibble).AsUInt16();
            Vector512<ushort> s3 = Avx512BW.Shuffle(high1, (b.AsUInt16() >> 4).AsByte() & nibble).AsUInt16();
            Vector512<ushort> odd = (s0 >> 8) + (s1 >> 8) + (s2 >> 8) + (s3 >> 8);
            Vector512<ushort> even = (s0 & evenBytes) + (s1 & evenBytes) + (s2 & evenBytes) + (s3 & evenBytes);
            Fold(even, odd).Store(sums);
        }
    }

    private static void SumFours(byte* codes, int blocks, int pairs, byte* tables, ushort* sums)
    {
        Vector512<byte> nibble = Vector512.Create((byte)15);
        Vector512<ushort> evenBytes = Vector512.Create((ushort)255);
        for (int block = 0; block < blocks; block++, sums += BlockRows)
        {
            Vector512<ushort> even = default, odd = default;
            for (int four = 0; four < pairs / 4; four++, codes += 64)
            {
                Vector512<byte> a = Vector512.Load(codes);
                Vector512<ushort> s0 = Avx512BW.Shuffle(Vector512.Load(tables + 128 * four), a & nibble).AsUInt16();
                Vector512<ushort> s1 = Avx512BW.Shuffle(Vector512.Load(tables + 128 * four + 64), (a.AsUInt16() >> 4).AsByte() & nibble).AsUInt16();
                even += (s0 & evenBytes) + (s1 & evenBytes);
                odd += (s0 >> 8) + (s1 >> 8);
            }
            Fold(even, odd).Store(sums);
        }
    }

    /// <summary>Adds the four lanes and brings even and odd rows together again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Fold(Vector512<ushort> even, Vector512<ushort> odd)
    {
        Vector256<ushort> even256 = even.GetLower() + even.GetUpper(), odd256 = odd.GetLower() + odd.GetUpper();
        Vector128<ushort> even128 = even256.GetLower() + even256.GetUpper(), odd128 = odd256.GetLower() + odd256.GetUpper();
        return Vector256.Create(Sse2.UnpackLow(even128, odd128), Sse2.UnpackHigh(even128, odd128));
    }

    private static void SumPairs(byte* codes, int blocks, int pairs, byte* tables, ushort* sums)
    {
        Vector128<byte> nibble = Vector128.Create((byte)15);
        for (int block = 0; block < blocks; block++, sums += BlockRows)
        {
            Vector128<ushort> first = default, last = default;
            for (int pair = 0; pair < pairs; pair++, codes += BlockRows)
            {
                Vector128<byte> code = Vector128.Load(codes);
                Vector128<byte> low = Vector128.Shuffle(Vector128.Load(tables + TableOffset(2 * pair, pairs)), code & nibble);
                Vector128<byte> high = Vector128.Shuffle(Vector128.Load(tables + TableOffset(2 * pair + 1, pairs)), code >> 4);
                (Vector128<ushort> a, Vector128<ushort> b) = Vector128.Widen(low);
                (Vector128<ushort> c, Vector128<ushort> d) = Vector128.Widen(high);
                first += a + c;
                last += b + d;
            }
            first.Store(sums);
            last.Store(sums + 8);
        }
    }
}
