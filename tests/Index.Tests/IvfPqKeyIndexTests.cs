using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

/// <summary>Small segments, so that the contract's rows fill several and leave a tail; a whole head with the defaults.</summary>
public sealed class IvfPqKeyIndexTests : KeyIndexTests
{
    private static readonly IvfPqOptions Small = new() { SegmentRows = 128, RowsPerList = 16 };

    protected override double RecallFloor => 0.999;

    protected override IKeyIndex Create(IKeyRows rows, int first = 0)
        => new IvfPqKeyIndex(rows, Sample(rows.Dim), Small, first) { KeysPerHit = 8, LeastKeys = 1 };

    protected override IKeyIndex CreateReal(IKeyRows rows, int first, SafetensorsFile16 head)
    {
        var moments = new QueryMoments(rows.Dim);
        moments.Add(head.Half("prompt_queries"));
        return new IvfPqKeyIndex(rows, moments, new IvfPqOptions(), first);
    }

    /// <summary>Moments of the kind of queries that the contract searches with, which are unlike its keys.</summary>
    private static QueryMoments Sample(int dim)
    {
        var moments = new QueryMoments(dim);
        for (int seed = 1000; seed < 1100; seed++)
            moments.Add(Queries(seed));
        return moments;
    }
}
