using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>
/// GPT-2's writing of bytes as printable characters: vocabularies of byte-level BPE are stored in it ("Ġthe" is " the").
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharacterOfByte = new char[256];

    private static readonly short[] ByteOfCharacter = new short[512];

    static ByteAlphabet()
    {
        Array.Fill(ByteOfCharacter, (short)-1);
        int moved = 0;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            char c = printable ? (char)b : (char)(256 + moved++);
            CharacterOfByte[b] = c;
            ByteOfCharacter[c] = (short)b;
        }
    }

    public static char ToCharacter(byte value) => CharacterOfByte[value];

    /// <summary>The bytes a stored token stands for; text outside the alphabet stands for its own UTF-8.</summary>
    public static byte[] ToBytes(string token)
    {
        var bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            char c = token[i];
            if (c >= ByteOfCharacter.Length || ByteOfCharacter[c] < 0)
                return Encoding.UTF8.GetBytes(token);
            bytes[i] = (byte)ByteOfCharacter[c];
        }
        return bytes;
    }
}
