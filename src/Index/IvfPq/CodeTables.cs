using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Tables of a query for <see cref="CodeScan"/>: its dot products with all centroids, rounded to bytes of one common scale.</summary>
internal static unsafe class CodeTables
{
    /// <summary>Builds the tables of a group.</summary>
    /// <param name="x">[group, dim], in the codec's coordinates.</param>
    /// <param name="logCount">Natural logarithm of the number of rows whose codes are read.</param>
    /// <param name="tables">[group, TableBytes]</param>
    /// <param name="offset">[group]: logit of a code = offset + scale · sum; what <see cref="ListScores.Gain"/> says of what codes lose is included.</param>
    /// <param name="scale">[group]</param>
    public static void Build(IvfPqCodec codec, float* x, int group, float logCount, byte* tables, float* offset, float* scale)
    {
        ProductQuantizer quantizer = codec.Quantizer;
        int dim = codec.Dim, subspaces = quantizer.Subspaces, pairs = subspaces / 2;
        float* entries = stackalloc float[subspaces * ProductQuantizer.Centroids];
        for (int g = 0; g < group; g++, x += dim, tables += CodeScan.TableBytes(pairs))
        {
            float range = 0;
            offset[g] = 0;
            for (int s = 0; s < subspaces; s++)
            {
                float low = float.PositiveInfinity, high = float.NegativeInfinity;
                int start = quantizer.Starts[s], width = quantizer.Starts[s + 1] - start;
                float[] codebook = quantizer.Codebooks[s];
                for (int c = 0; c < ProductQuantizer.Centroids; c++)
                {
                    float dot = 0;
                    for (int i = 0; i < width; i++)
                        dot += x[start + i] * codebook[c * width + i];
                    entries[s * ProductQuantizer.Centroids + c] = dot;
                    low = MathF.Min(low, dot);
                    high = MathF.Max(high, dot);
                }
                for (int c = 0; c < ProductQuantizer.Centroids; c++)
                    entries[s * ProductQuantizer.Centroids + c] -= low;
                offset[g] += low;
                range = MathF.Max(range, high - low);
            }
            offset[g] += ListScores.Gain(codec.Noise(x), logCount);
            scale[g] = range / 255;
            float inverse = range > 0 ? 255 / range : 0;
            for (int s = 0; s < subspaces; s++)
            {
                byte* table = tables + CodeScan.TableOffset(s, pairs);
                for (int c = 0; c < ProductQuantizer.Centroids; c++)
                    table[c] = (byte)MathF.Round(entries[s * ProductQuantizer.Centroids + c] * inverse);
            }
        }
    }
}
