using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>First step of byte pair encoding: a piece of text as the symbols that merging begins with.</summary>
internal abstract class Seeds
{
    /// <summary>Appends the symbols of a piece. A negative symbol −1 − c stands for a code point without a token.</summary>
    public abstract void Append(ReadOnlySpan<char> piece, SymbolList symbols);

    /// <summary>Appends the tokens of a symbol that merging left over.</summary>
    public virtual void Finish(int symbol, List<int> ids) => ids.Add(symbol);
}

/// <summary>Every byte of the piece's UTF-8 is a symbol; bytes without a token are dropped.</summary>
internal sealed class ByteSeeds(int?[] tokenOfByte) : Seeds
{
    public override void Append(ReadOnlySpan<char> piece, SymbolList symbols)
    {
        Span<byte> few = stackalloc byte[192];
        Span<byte> bytes = piece.Length <= 64 ? few : new byte[Encoding.UTF8.GetMaxByteCount(piece.Length)];
        bytes = bytes[..Encoding.UTF8.GetBytes(piece, bytes)];
        foreach (byte b in bytes)
        {
            if (tokenOfByte[b] is { } id)
                symbols.Add(id);
        }
    }
}

/// <summary>
/// Every character is a symbol. One without a token is its bytes if the vocabulary has tokens for all of them, else the
/// unknown token. Before merging (Hugging Face) or after it (SentencePiece), which differs when merges name such symbols.
/// </summary>
internal sealed class CharacterSeeds(Dictionary<string, int> ids, int?[]? tokenOfByte, int? unknown, bool fuse, bool afterMerging) : Seeds
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids = ids.GetAlternateLookup<ReadOnlySpan<char>>();

    public override void Append(ReadOnlySpan<char> piece, SymbolList symbols)
    {
        // An unknown character waits for the next known one, so that a run of them can become one token.
        int waiting = 0;
        Span<char> text = stackalloc char[2];
        foreach (Rune rune in piece.EnumerateRunes())
        {
            if (_ids.TryGetValue(text[..rune.EncodeToUtf16(text)], out int id))
            {
                Release(ref waiting, symbols);
                symbols.Add(id);
            }
            else if (afterMerging)
            {
                symbols.Add(-1 - rune.Value);
            }
            else if (!AppendBytes(rune, symbols.Add))
            {
                if (!fuse)
                    Release(ref waiting, symbols);
                waiting = 1;
            }
        }
        Release(ref waiting, symbols);
    }

    public override void Finish(int symbol, List<int> ids)
    {
        if (symbol >= 0)
            ids.Add(symbol);
        else if (!AppendBytes(new Rune(-1 - symbol), ids.Add) && unknown is { } id && !(fuse && ids.Count > 0 && ids[^1] == id))
            ids.Add(id);
    }

    private void Release(ref int waiting, SymbolList symbols)
    {
        if (waiting > 0 && unknown is { } id)
            symbols.Add(id);
        waiting = 0;
    }

    private bool AppendBytes(Rune rune, Action<int> add)
    {
        Span<byte> bytes = stackalloc byte[4];
        bytes = bytes[..rune.EncodeToUtf8(bytes)];
        foreach (byte b in bytes)
        {
            if (tokenOfByte?[b] is null)
                return false;
        }
        foreach (byte b in bytes)
            add(tokenOfByte![b]!.Value);
        return true;
    }
}

/// <summary>A growing array of symbols whose storage the merger works in.</summary>
internal sealed class SymbolList
{
    private int[] _items = new int[256];

    public int Count { get; private set; }

    public Span<int> Items => _items.AsSpan(0, Count);

    public void Add(int symbol)
    {
        if (Count == _items.Length)
            Array.Resize(ref _items, 2 * Count);
        _items[Count++] = symbol;
    }

    public void Clear() => Count = 0;
}
