namespace Retrieval.Offload;

/// <summary>How a key or value row is stored on the host.</summary>
public enum RowFormat
{
    /// <summary>IEEE half precision, 2 bytes an element.</summary>
    F16,
}
