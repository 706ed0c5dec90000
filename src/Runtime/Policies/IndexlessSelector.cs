namespace Retrieval.Runtime.Policies;

/// <summary>A selector that needs no knowledge of the rows: it speaks for none, or for all and chooses none.</summary>
/// <param name="drops">Are far rows left out?</param>
internal sealed class IndexlessSelector(bool drops) : ITokenSelector
{
    public long IndexBytes => 0;

    public long BytesRead => 0;

    public int Searched => drops ? int.MaxValue : 0;

    public void Prefill(int rows, PromptQueries queries) { }

    public void Append(int rows) { }

    public void Truncate(int rows) { }

    public void Settle() { }

    public void Select(in DecodeQuery query, Selection selection) { }

    public void Dispose() { }
}
