namespace Retrieval.Runtime.Policies;

/// <summary>A selector that needs no knowledge of the rows.</summary>
internal abstract class IndexlessSelector : ITokenSelector
{
    public long IndexBytes => 0;

    public void Prefill(int rows) { }

    public void Append(int rows) { }

    public void Truncate(int rows) { }

    public abstract void Select(in DecodeQuery query, Selection selection);

    public void Dispose() { }
}
