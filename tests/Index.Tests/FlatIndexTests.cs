namespace Retrieval.Index.Tests;

public sealed class FlatIndexTests : KeyIndexTests
{
    protected override IKeyIndex Create(IKeyRows rows, int first = 0) => new FlatIndex(rows, first);
}
