using System.Buffers;
using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>
/// Turns ids into text as they come, only ever whole characters: bytes of an unfinished one wait for the next id. All pushes
/// and the flush together equal <see cref="TextTokenizer.Decode"/> of the ids. For one thread.
/// </summary>
public sealed class StreamingDetokenizer
{
    private readonly TextTokenizer _tokenizer;

    private readonly bool _skipSpecial;

    private readonly byte[] _held = new byte[4];

    private int _heldCount;

    private int _leadingSpaces;

    internal StreamingDetokenizer(TextTokenizer tokenizer, bool skipSpecial, int leadingSpaces) =>
        (_tokenizer, _skipSpecial, _leadingSpaces) = (tokenizer, skipSpecial, leadingSpaces);

    /// <summary>The text that is complete with this id; often empty.</summary>
    public string Push(int id)
    {
        if (_skipSpecial && _tokenizer.IsSpecial(id))
            return "";
        ReadOnlySpan<byte> bytes = _tokenizer.TokenBytes(id);
        while (_leadingSpaces > 0 && bytes.Length > 0)
        {
            if (bytes[0] != ' ')
            {
                _leadingSpaces = 0;
                break;
            }
            bytes = bytes[1..];
            _leadingSpaces--;
        }
        if (bytes.Length == 0)
            return "";
        byte[] all = [.. _held.AsSpan(0, _heldCount), .. bytes];
        int complete = all.Length - IncompleteTail(all);
        _heldCount = all.Length - complete;
        all.AsSpan(complete).CopyTo(_held);
        return Encoding.UTF8.GetString(all, 0, complete);
    }

    /// <summary>What is left: U+FFFD if the last character never became complete, else empty.</summary>
    public string Flush()
    {
        string rest = Encoding.UTF8.GetString(_held, 0, _heldCount);
        _heldCount = 0;
        return rest;
    }

    // Length of a start of a character at the end that more bytes could still complete.
    private static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length <= Math.Min(3, bytes.Length); length++)
        {
            ReadOnlySpan<byte> tail = bytes[^length..];
            if ((tail[0] & 0xC0) != 0x80)
                return Rune.DecodeFromUtf8(tail, out _, out _) == OperationStatus.NeedMoreData ? length : 0;
        }
        return 0;
    }
}
