namespace Retrieval.Offload;

/// <summary>How key and value rows are stored on the host once they are packed; new rows are always 16-bit.</summary>
public enum RowFormat
{
    /// <summary>IEEE half precision, 2 bytes an element.</summary>
    F16,

    /// <summary>One byte an element and a 16-bit scale a row and head.</summary>
    I8,
}
