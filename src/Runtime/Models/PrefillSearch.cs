using Retrieval.Index;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime.Models;

/// <summary>
/// What sparse prefill costs, in multiplications of exact attention that take as long: the rows behind the last segment, every
/// list, the codes and rows that are read, and building the index.
/// </summary>
/// <param name="Dense">Tokens at the beginning that meet all keys before them.</param>
/// <param name="NearKeys">Keys that a later token meets beside: its window, and half a segment that is not full yet.</param>
/// <param name="RowsPerList">Tokens of a list.</param>
/// <param name="SharpOpened">Tokens whose codes are read for a sharp head, at most.</param>
/// <param name="Sharp">Share of the KV heads that are sharp, 0 to 1.</param>
internal readonly record struct PrefillSearch(int Dense, double NearKeys, double RowsPerList, double SharpOpened, double Sharp)
{
    // Measured on two threads of a server processor, where a multiplication of exact attention took 6 to 7 ps: for each query a list;
    // codes and rows of a head that is not sharp; the codes of a row of one that is; and for each KV head a row of the index and its
    // packing, at 64 elements.
    private const double List = 780, Read = 430_000, SharpRow = 150, Row = 430_000;

    /// <param name="dense">Tokens at the beginning that meet all keys.</param>
    /// <param name="tokens">Tokens that the sequence will hold.</param>
    /// <param name="sharp">Share of the KV heads that are sharp.</param>
    public static PrefillSearch Of(IvfPqPolicy policy, int dense, int tokens, double sharp)
    {
        IvfPqOptions index = policy.IndexOf(tokens);
        return new PrefillSearch(dense, policy.Window + index.SegmentRows / 2.0, index.RowsPerList, policy.PrefillBudget.OpenedIfSharp, sharp);
    }

    /// <summary>Of the tokens from one position to another, all of which search.</summary>
    public double Attention(ModelConfig config, double from, double to)
    {
        double near = 2.0 * config.HeadDim * NearKeys + (1 - Sharp) * Read;
        return config.Heads * ((to - from) * near + List / RowsPerList * (to * to - from * from) / 2 + Sharp * SharpRow * (Opened(to) - Opened(from)));
    }

    /// <summary>Of a token's rows in the index of a layer.</summary>
    public double Build(ModelConfig config) => config.KvHeads * Row * config.HeadDim / 64;

    /// <summary>Codes that all tokens up to a position read together.</summary>
    private double Opened(double tokens)
    {
        double growing = Math.Min(tokens, SharpOpened);
        return growing * growing / 2 + (tokens - growing) * SharpOpened;
    }
}
