using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// <see cref="CodeScan"/> and <see cref="RowSieve"/> at once: of a list's rows those whose codes give a logit that is large enough
/// for some query, and of the rest the sums. Two queries meet in registers; a third would have no room beside them.
/// </summary>
public static unsafe class CodeSieve
{
    private const int BlockRows = CodeScan.BlockRows, Line = 64;

    // Codes of many lists are read in their order. What is asked for by hand comes from a page that the hardware does not know yet.
    private const int Ahead = 4096;

    /// <summary>Reference. As <see cref="Split"/>.</summary>
    public static int SplitReference(
        byte* codes, int rows, int subspaces, byte* tables, int group, float* shift, float* scale, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest, float* logits, int stride)
    {
        CodeScan.LogitsReference(codes, rows, subspaces, tables, group, shift, scale, logits, stride);
        return RowSieve.SplitReference(logits, stride, Whole(rows), group, limits, first, numbers, passed, passedStride, rest);
    }

    /// <summary>Rows that pass, in their order.</summary>
    /// <param name="codes">As in <see cref="CodeScan.Logits"/>, as are subspaces, tables, shift and scale.</param>
    /// <param name="limits">[group]: a row passes that reaches one of them; finite.</param>
    /// <param name="first">Number of the first row.</param>
    /// <param name="numbers">[rows, whole blocks]: those of the rows that pass; what follows them is overwritten.</param>
    /// <param name="passed">[group, passedStride], room for all rows: their logits; so is this.</param>
    /// <param name="rest">[group], added to: Σ exp(logit − limit) of the other rows, by <see cref="VectorExp.Rough(float)">rough exponentials</see>.</param>
    /// <param name="logits">[group, stride]: receives the logits of all rows, −∞ to the end of the last block.</param>
    /// <returns>How many pass.</returns>
    public static int Split(
        byte* codes, int rows, int subspaces, byte* tables, int group, float* shift, float* scale, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest, float* logits, int stride)
    {
        if (group == 2 && Avx512Vbmi.IsSupported && Avx512BW.IsSupported)
        {
            int found = Two(codes, rows, subspaces, tables, shift, scale, limits, numbers, rest, logits, stride);
            RowSieve.Take(logits, stride, group, first, found, numbers, passed, passedStride);
            return found;
        }
        CodeScan.Logits(codes, rows, subspaces, tables, group, shift, scale, logits, stride);
        return RowSieve.Split(logits, stride, Whole(rows), group, limits, first, numbers, passed, passedStride, rest);
    }

    private static int Two(byte* codes, int rows, int subspaces, byte* tables, float* shift, float* scale, float* limits, int* numbers, float* rest, float* logits, int stride)
    {
        int found = 0;
        Vector512<float> shift0 = Vector512.Create(shift[0]), shift1 = Vector512.Create(shift[1]), scale0 = Vector512.Create(scale[0]), scale1 = Vector512.Create(scale[1]);
        Vector512<float> limit0 = Vector512.Create(limits[0]), limit1 = Vector512.Create(limits[1]), rest0 = default, rest1 = default;
        Vector512<int> number = Vector512<int>.Indices;
        for (int row = 0; row < rows; row += BlockRows, codes += CodeScan.BlockBytes(subspaces))
        {
            for (int line = 0; line < CodeScan.BlockBytes(subspaces); line += Line)
                Sse.Prefetch1(codes + Ahead + line);
            (Vector512<short> sum0, Vector512<short> sum1) = CodeScan.PairSums(codes, subspaces, tables);
            Vector512<float> logit0 = CodeScan.Logit(sum0, scale0, shift0), logit1 = CodeScan.Logit(sum1, scale1, shift1);
            if (rows - row < BlockRows)
            {
                Vector512<float> beyond = Vector512.GreaterThanOrEqual(number, Vector512.Create(rows)).AsSingle(), nothing = Vector512.Create(float.NegativeInfinity);
                (logit0, logit1) = (Vector512.ConditionalSelect(beyond, nothing, logit0), Vector512.ConditionalSelect(beyond, nothing, logit1));
            }
            logit0.Store(logits + row);
            logit1.Store(logits + stride + row);
            Vector512<float> above0 = logit0 - limit0, above1 = logit1 - limit1;
            // The sign says who is below both limits.
            Vector512<int> below = Vector512.MaxNative(above0, above1).AsInt32(), mask = below >> 31;
            rest0 += VectorExp.Rough(above0) & mask.AsSingle();
            rest1 += VectorExp.Rough(above1) & mask.AsSingle();
            // Which rows pass is too irregular for branches: what is beyond the last one found is overwritten.
            Avx512F.Compress(Vector512<int>.Zero, ~below, number).Store(numbers + found);
            found += BlockRows - BitOperations.PopCount(below.ExtractMostSignificantBits());
            number += Vector512.Create(BlockRows);
        }
        rest[0] += Vector512.Sum(rest0);
        rest[1] += Vector512.Sum(rest1);
        return found;
    }

    private static int Whole(int rows) => CodeScan.Blocks(rows) * BlockRows;
}
