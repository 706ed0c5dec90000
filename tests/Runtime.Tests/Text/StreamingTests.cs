using Retrieval.Runtime.Text;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

public sealed class StreamingTests
{
    private static readonly TextTokenizer Tokenizer =
        TextTokenizer.FromFolder(Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"));

    [Theory]
    [InlineData("plain text, nothing else")]
    [InlineData("naïve — 数字 🙂👩‍👩‍👧 Ω\u0301 end")]
    [InlineData("<|user|>🙂<|assistant|>é")]
    public void Pushes_whole_characters_that_add_up_to_the_text(string text)
    {
        int[] ids = Tokenizer.Encode(text);
        Assert.Contains(ids, id => Tokenizer.TokenBytes(id).Length > 0);
        foreach (bool skip in new[] { false, true })
        {
            StreamingDetokenizer stream = Tokenizer.CreateDetokenizer(skip);
            List<string> pieces = [.. ids.Select(stream.Push), stream.Flush()];
            Assert.Equal(skip ? text.Replace("<|user|>", "").Replace("<|assistant|>", "") : text, string.Concat(pieces));
            Assert.All(pieces, p => Assert.False(p.Contains('\uFFFD') || (p.Length > 0 && (char.IsLowSurrogate(p[0]) || char.IsHighSurrogate(p[^1])))));
        }
    }

    [Fact]
    public void Broken_bytes_become_the_same_replacement_characters_as_in_one_piece()
    {
        int[] all = [.. Enumerable.Range(0, Tokenizer.VocabularySize).Where(id => Tokenizer.TokenBytes(id).Length is 1 or 2)];
        var random = new Random(7);
        for (int round = 0; round < 300; round++)
        {
            int[] ids = [.. Enumerable.Range(0, 12).Select(_ => all[random.Next(all.Length)])];
            byte[] bytes = [.. ids.SelectMany(id => Tokenizer.TokenBytes(id).ToArray())];
            StreamingDetokenizer stream = Tokenizer.CreateDetokenizer(false);
            string streamed = string.Concat(ids.Select(stream.Push)) + stream.Flush();
            Assert.Equal(System.Text.Encoding.UTF8.GetString(bytes), streamed);
            Assert.Equal(streamed, Tokenizer.Decode(ids));
        }
    }

    [Fact]
    public void Half_a_character_waits_and_flush_gives_it_up()
    {
        int[] ids = Tokenizer.Encode("🙂");
        Assert.True(ids.Length > 1, "the character must be of several tokens here");
        StreamingDetokenizer stream = Tokenizer.CreateDetokenizer();
        Assert.All(ids[..^1], id => Assert.Equal("", stream.Push(id)));
        Assert.Equal("\uFFFD", stream.Flush());
        Assert.Equal("", stream.Flush());
        Assert.Equal("", Tokenizer.Decode([-1, int.MaxValue, Tokenizer.VocabularySize]));
    }

    [SkippableFact]
    public void Sentencepiece_streams_as_it_decodes()
    {
        TextTokenizer tokenizer = TextTokenizer.FromGguf(GgufMetadata.Read(Shared.Need("tokenizers/golden/ggml-vocab-llama-spm.gguf")));
        foreach (string text in new[] { "Hello world", " two spaces", "數字 🙂", "a\n b", "" })
        {
            int[] ids = tokenizer.Encode(text, addSpecial: true);
            Assert.Equal(1, ids[0]);
            StreamingDetokenizer stream = tokenizer.CreateDetokenizer();
            Assert.Equal(text, string.Concat(ids.Select(stream.Push)) + stream.Flush());
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: true));
        }
    }

    [Theory]
    [InlineData("hello STOP more", "hello ", true, "STOP")]
    [InlineData("hello ST", "hello ST", false, "STOP")]
    [InlineData("aab", "a", true, "ab")]
    [InlineData("aaab", "a", true, "aab", "zz")]
    [InlineData("xabc", "xa", true, "abcd", "b")]
    [InlineData("abab abac", "abab ", true, "abac")]
    [InlineData("nothing", "nothing", false)]
    public void Stop_strings_cut_the_same_text_however_it_comes(string text, string expected, bool stops, params string[] strings)
    {
        for (int size = 1; size <= text.Length; size++)
        {
            var matcher = new StopStrings(strings);
            string shown = "";
            bool stopped = false;
            foreach (char[] piece in text.Chunk(size))
            {
                shown += matcher.Push(new string(piece), out stopped);
                Assert.StartsWith(shown, expected);
            }
            Assert.Equal(stops, stopped);
            Assert.Equal(expected, shown + matcher.Flush());
            Assert.Equal("", matcher.Flush());
        }
    }

    [Fact]
    public void Empty_stop_string_is_refused() => Assert.Throws<InputException>(() => new StopStrings(["a", ""]));
}
