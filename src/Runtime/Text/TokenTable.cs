using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>A vocabulary while it is read: texts to ids without gaps or clashes that would make ids ambiguous.</summary>
internal sealed class TokenTable
{
    /// <summary>Ids stay below this, so that a damaged number cannot ask for all memory.</summary>
    public const int LargestId = 1 << 22;

    private readonly Dictionary<int, string> _texts = [];

    public Dictionary<string, int> Ids { get; } = [];

    public int Size { get; private set; }

    /// <summary>Adds a token; false if its id or its text already means something else.</summary>
    public bool TryAdd(string text, int id)
    {
        if (_texts.TryGetValue(id, out string? there))
            return there == text;
        if (!Ids.TryAdd(text, id))
            return false;
        _texts.Add(id, text);
        Size = Math.Max(Size, id + 1);
        return true;
    }

    public string? TextOf(int id) => _texts.GetValueOrDefault(id);

    /// <summary>The bytes of every token, by id.</summary>
    public byte[]?[] Bytes(Func<string, byte[]> bytesOf)
    {
        var bytes = new byte[]?[Size];
        foreach ((string text, int id) in Ids)
            bytes[id] = bytesOf(text);
        return bytes;
    }

    /// <summary>Tokens of single bytes written "&lt;0x0A&gt;"; null if the vocabulary has none.</summary>
    public int?[]? ByteTokens()
    {
        var tokens = new int?[256];
        for (int b = 0; b < 256; b++)
            tokens[b] = Ids.TryGetValue($"<0x{b:X2}>", out int id) ? id : null;
        return tokens.Any(t => t is not null) ? tokens : null;
    }

    /// <summary>Tokens of single bytes in the byte alphabet.</summary>
    public int?[] AlphabetTokens()
    {
        var tokens = new int?[256];
        for (int b = 0; b < 256; b++)
            tokens[b] = Ids.TryGetValue(ByteAlphabet.ToCharacter((byte)b).ToString(), out int id) ? id : null;
        return tokens;
    }

    /// <summary>Bytes of a SentencePiece token: ▁ (or another mark) is a space, "&lt;0x0A&gt;" the byte it names.</summary>
    public static byte[] PieceBytes(string text, string mark, bool byteTokens) =>
        byteTokens && IsByteToken(text)
            ? [Convert.ToByte(text[3..5], 16)]
            : Encoding.UTF8.GetBytes(text.Replace(mark, " ", StringComparison.Ordinal));

    public static bool IsByteToken(string text) =>
        text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>'
        && char.IsAsciiHexDigit(text[3]) && char.IsAsciiHexDigit(text[4]);
}
