using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Tables of a query for <see cref="CodeScan"/>: its dot products with all centroids, rounded to seven bits of one common scale.</summary>
internal static unsafe class CodeTables
{
    private const int Centroids = ProductQuantizer.Centroids;

    /// <summary>Builds the tables of a group.</summary>
    /// <param name="x">[group, dim], in the codec's coordinates.</param>
    /// <param name="logCount">Natural logarithm of the number of rows whose codes are read.</param>
    /// <param name="tables">[group, TableBytes]</param>
    /// <param name="offset">[group]: logit of a code = offset + scale · sum; what <see cref="ListScores.Gain"/> says of what codes lose is included.</param>
    /// <param name="scale">[group]</param>
    public static void Build(IvfPqCodec codec, float* x, int group, float logCount, byte* tables, float* offset, float* scale)
    {
        ProductQuantizer quantizer = codec.Quantizer;
        int subspaces = quantizer.Subspaces;
        float* entries = stackalloc float[subspaces * Centroids], lowest = stackalloc float[subspaces];
        fixed (float* columns = quantizer.Columns)
        {
            for (int g = 0; g < group; g++, x += codec.Dim, tables += CodeScan.TableBytes(subspaces))
            {
                float range = 0;
                offset[g] = ListScores.Gain(codec.Noise(x), logCount);
                for (int s = 0; s < subspaces; s++)
                {
                    Vector512<float> dots = default;
                    for (int i = quantizer.Starts[s]; i < quantizer.Starts[s + 1]; i++)
                        dots = Vector512.FusedMultiplyAdd(Vector512.Create(x[i]), Vector512.Load(columns + i * Centroids), dots);
                    dots.Store(entries + s * Centroids);
                    lowest[s] = -AcrossLanes.Largest(-dots);
                    offset[g] += lowest[s];
                    range = MathF.Max(range, AcrossLanes.Largest(dots) - lowest[s]);
                }
                scale[g] = range / CodeScan.MostOfEntry;
                float inverse = range > 0 ? CodeScan.MostOfEntry / range : 0;
                for (int s = 0; s < subspaces; s++)
                    Round(entries + s * Centroids, lowest[s], inverse, tables + s * Centroids);
            }
        }
    }

    private static void Round(float* entries, float lowest, float inverse, byte* table)
    {
        Vector512<int> rounded = Vector512.ConvertToInt32(Vector512.Round((Vector512.Load(entries) - Vector512.Create(lowest)) * inverse));
        Vector256<ushort> words = Vector256.Narrow(rounded.GetLower().AsUInt32(), rounded.GetUpper().AsUInt32());
        Vector128.Narrow(words.GetLower(), words.GetUpper()).Store(table);
    }
}
