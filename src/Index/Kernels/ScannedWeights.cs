using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// <see cref="CodeScan"/> and <see cref="CodeWeights"/> at once: the weights of the rows of many lists straight from their codes, without a way
/// through memory for logits. Up to three queries meet in registers.
/// </summary>
public static unsafe class ScannedWeights
{
    private const int BlockRows = CodeScan.BlockRows;

    /// <summary>Reference. As <see cref="Compute"/>.</summary>
    public static void ComputeReference(
        nint* codes, int* rows, int lists, int subspaces, byte* tables, int group, float* shifts, float* scale, float* weights, int stride, float* groupWeights, float* sums, float* largest)
    {
        float* none = stackalloc float[group];
        new Span<float>(none, group).Clear();
        int* starts = stackalloc int[] { 0, 0 };
        for (int list = 0; list < lists; list++)
        {
            CodeScan.LogitsReference((byte*)codes[list], rows[list], subspaces, tables, group, shifts + list * group, scale, weights, stride);
            starts[1] = Whole(rows[list]);
            for (int g = 0; g < group; g++)
            {
                for (int row = 0; row < rows[list]; row++)
                    largest[g] = MathF.Max(largest[g], weights[(long)g * stride + row]);
            }
            CodeWeights.ComputeReference(weights, stride, starts, 1, group, none, weights, stride, groupWeights, sums + list * group);
            weights += starts[1];
            groupWeights += starts[1];
        }
    }

    /// <summary>Weights of the rows of some lists, which stand one after another in whole blocks; 0 to the end of a list's last block.</summary>
    /// <param name="codes">[lists]: where each list's codes begin; the rest as in <see cref="CodeScan.Logits"/>, as are subspaces, tables and scale.</param>
    /// <param name="rows">[lists]</param>
    /// <param name="shifts">[lists, group]</param>
    /// <param name="weights">[group, stride]: exp(logit), see <see cref="CodeWeights.Compute"/>.</param>
    /// <param name="groupWeights">[rows]: their sums over the group.</param>
    /// <param name="sums">[lists, group]: their sums over each list.</param>
    /// <param name="largest">[group]: the largest logit, of what stands there and all rows.</param>
    public static void Compute(
        nint* codes, int* rows, int lists, int subspaces, byte* tables, int group, float* shifts, float* scale, float* weights, int stride, float* groupWeights, float* sums, float* largest)
    {
        if (!Avx512Vbmi.IsSupported || !Avx512BW.IsSupported)
        {
            InTwoSteps(codes, rows, lists, subspaces, tables, group, shifts, scale, weights, stride, groupWeights, sums, largest);
            return;
        }
        for (int g = 0; g < group;)
        {
            int some = QueryCount.Next(group - g);
            byte* own = tables + g * CodeScan.TableBytes(subspaces);
            float* target = weights + (long)g * stride;
            switch (some)
            {
                case 3:
                    Compute<ThreeQueries>(codes, rows, lists, subspaces, own, group, shifts + g, scale + g, target, stride, groupWeights, g == 0, sums + g, largest + g);
                    break;
                case 2:
                    Compute<TwoQueries>(codes, rows, lists, subspaces, own, group, shifts + g, scale + g, target, stride, groupWeights, g == 0, sums + g, largest + g);
                    break;
                default:
                    Compute<OneQuery>(codes, rows, lists, subspaces, own, group, shifts + g, scale + g, target, stride, groupWeights, g == 0, sums + g, largest + g);
                    break;
            }
            g += some;
        }
    }

    /// <summary>Where there are no permutations of bytes.</summary>
    private static void InTwoSteps(
        nint* codes, int* rows, int lists, int subspaces, byte* tables, int group, float* shifts, float* scale, float* weights, int stride, float* groupWeights, float* sums, float* largest)
    {
        float* none = stackalloc float[group];
        new Span<float>(none, group).Clear();
        int* starts = stackalloc int[] { 0, 0 };
        for (int list = 0; list < lists; list++)
        {
            CodeScan.Logits((byte*)codes[list], rows[list], subspaces, tables, group, shifts + list * group, scale, weights, stride);
            starts[1] = Whole(rows[list]);
            for (int g = 0; g < group; g++)
                largest[g] = MathF.Max(largest[g], CodeWeights.Largest(weights + (long)g * stride, starts[1]));
            CodeWeights.Compute(weights, stride, starts, 1, group, none, weights, stride, groupWeights, sums + list * group);
            weights += starts[1];
            groupWeights += starts[1];
        }
    }

    private static void Compute<TQueries>(
        nint* codes, int* rows, int lists, int subspaces, byte* tables, int group, float* shifts, float* scale, float* weights, int stride, float* groupWeights, bool first, float* sums, float* largest)
        where TQueries : struct, IQueryCount
    {
        bool second = TQueries.Count > 1, third = TQueries.Count > 2;
        int octets = subspaces / CodeScan.Octet, bytes = CodeScan.TableBytes(subspaces);
        Vector512<float> highest = Vector512.Create(CodeWeights.Highest), nothing = Vector512.Create(float.NegativeInfinity), most0 = nothing, most1 = nothing, most2 = nothing;
        Vector512<float> scale0 = Vector512.Create(scale[0]), scale1 = second ? Vector512.Create(scale[1]) : default, scale2 = third ? Vector512.Create(scale[2]) : default;
        for (int list = 0; list < lists; list++, shifts += group, sums += group)
        {
            var code = (byte*)codes[list];
            Vector512<float> shift0 = Vector512.Create(shifts[0]), shift1 = second ? Vector512.Create(shifts[1]) : default, shift2 = third ? Vector512.Create(shifts[2]) : default;
            Vector512<float> total0 = default, total1 = default, total2 = default;
            Vector512<int> left = Vector512.Create(rows[list]) - Vector512<int>.Indices;
            for (int row = 0; row < rows[list]; row += BlockRows, weights += BlockRows, groupWeights += BlockRows)
            {
                Vector512<short> sum0 = default, sum1 = default, sum2 = default;
                byte* table = tables;
                for (int octet = 0; octet < octets; octet++, code += 64, table += 128)
                {
                    (Vector512<byte> low, Vector512<byte> high) = CodeScan.Indices(code);
                    sum0 += CodeScan.Lookup(table, low, high);
                    if (second)
                        sum1 += CodeScan.Lookup(table + bytes, low, high);
                    if (third)
                        sum2 += CodeScan.Lookup(table + 2 * bytes, low, high);
                }
                Vector512<float> there = Vector512.GreaterThan(left, Vector512<int>.Zero).AsSingle(), all;
                left -= Vector512.Create(BlockRows);
                Vector512<float> logit = Vector512.ConditionalSelect(there, CodeScan.Logit(sum0, scale0, shift0), nothing);
                most0 = Vector512.MaxNative(most0, logit);
                Vector512<float> weight = all = VectorExp.Rough(Vector512.MinNative(highest, logit));
                weight.Store(weights);
                total0 += weight;
                if (second)
                {
                    logit = Vector512.ConditionalSelect(there, CodeScan.Logit(sum1, scale1, shift1), nothing);
                    most1 = Vector512.MaxNative(most1, logit);
                    weight = VectorExp.Rough(Vector512.MinNative(highest, logit));
                    weight.Store(weights + stride);
                    total1 += weight;
                    all += weight;
                }
                if (third)
                {
                    logit = Vector512.ConditionalSelect(there, CodeScan.Logit(sum2, scale2, shift2), nothing);
                    most2 = Vector512.MaxNative(most2, logit);
                    weight = VectorExp.Rough(Vector512.MinNative(highest, logit));
                    weight.Store(weights + 2L * stride);
                    total2 += weight;
                    all += weight;
                }
                (first ? all : all + Vector512.Load(groupWeights)).Store(groupWeights);
            }
            Vector128<float> totals = AcrossLanes.SumEach(total0, total1, total2, default);
            sums[0] = totals[0];
            if (second)
                sums[1] = totals[1];
            if (third)
                sums[2] = totals[2];
        }
        largest[0] = MathF.Max(largest[0], AcrossLanes.Largest(most0));
        if (second)
            largest[1] = MathF.Max(largest[1], AcrossLanes.Largest(most1));
        if (third)
            largest[2] = MathF.Max(largest[2], AcrossLanes.Largest(most2));
    }

    private static int Whole(int rows) => CodeScan.Blocks(rows) * BlockRows;
}
