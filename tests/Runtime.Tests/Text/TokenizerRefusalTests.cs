using System.Text;
using System.Text.Json.Nodes;
using Retrieval.Runtime.Text;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>What cannot be done exactly is refused with the value in the message, and damaged files never crash.</summary>
public sealed class TokenizerRefusalTests
{
    [Theory]
    [InlineData("normalizer", """{"type":"Lowercase"}""", "Lowercase")]
    [InlineData("normalizer", """{"type":"NFKC"}""", "NFKC")]
    [InlineData("normalizer", """{"type":"NFC","extra":1}""", "extra")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"a+"},"content":"b"}""", "a+")]
    [InlineData("normalizer", "\"NFC\"", "type")]
    [InlineData("pre_tokenizer", """{"type":"Whitespace"}""", "Whitespace")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}""", "add_prefix_space")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"(a|a)+$"},"behavior":"Isolated","invert":false}""", "(a|a)+$")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false},{"type":"Digits","individual_digits":true}]}""", "Digits")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","use_regex":"yes"}""", "yes")]
    [InlineData("decoder", """{"type":"WordPiece"}""", "WordPiece")]
    [InlineData("decoder", "null", "decoder")]
    [InlineData("post_processor", """{"type":"BertProcessing"}""", "BertProcessing")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>"}}],"special_tokens":{}}""", "<x>")]
    [InlineData("model/type", "\"Unigram\"", "Unigram")]
    [InlineData("model/dropout", "0.1", "0.1")]
    [InlineData("model/end_of_word_suffix", "\"</w>\"", "</w>")]
    [InlineData("model/surprise", "true", "surprise")]
    [InlineData("model/unk_token", "\"<nope>\"", "<nope>")]
    [InlineData("model/byte_fallback", "true", "byte_fallback")]
    [InlineData("model/vocab", """{"a":0,"b":0}""", "'b'")]
    [InlineData("model/vocab", """{"a":-1}""", "-1")]
    [InlineData("model/vocab", """{"a":2000000000}""", "2000000000")]
    [InlineData("model/vocab", """{"a":1.5}""", "1.5")]
    [InlineData("model/merges", """["a z"]""", "a z")]
    [InlineData("model/merges", """["a b c"]""", "a b c")]
    [InlineData("model/merges", """[["a"]]""", "merge 0")]
    [InlineData("model/merges", "[7]", "7")]
    [InlineData("model/merges", "{}", "merges")]
    [InlineData("added_tokens", """[{"id":1,"content":"<x>"}]""", "<x>")]
    [InlineData("added_tokens", """[{"id":9,"content":"<x>","single_word":true}]""", "single_word")]
    [InlineData("extra", "1", "extra")]
    public void Refuses_with_the_offending_value(string place, string value, string named)
    {
        JsonObject json = TinyTokenizer.ByteLevel();
        string[] path = place.Split('/');
        JsonObject parent = path.Length == 2 ? json[path[0]]!.AsObject() : json;
        parent[path[^1]] = JsonNode.Parse(value);
        InputException error = Assert.Throws<InputException>(() => TinyTokenizer.Load(json));
        Assert.Contains(named, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void The_unspoiled_file_loads()
    {
        TextTokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevel());
        Assert.Equal([6, 4, 5, 3, 6], tokenizer.Encode("ab abc<|end|>", addSpecial: true));
        Assert.Equal("ab abc<|end|>", tokenizer.Decode([4, 5, 3, 6]));
        Assert.Equal("ab", tokenizer.Decode([4, 6], skipSpecial: true));
        // Bytes without a token are dropped, as Hugging Face does; the special token's text is then only its letters.
        Assert.Equal([1], tokenizer.Encode("a<|end|>", parseSpecial: false));
        Assert.Equal(6, tokenizer.BosId);
        Assert.True(tokenizer.AddsBos);
        Assert.Equal(7, tokenizer.VocabularySize);
        Assert.Equal([6], tokenizer.EndIds);
    }

    [Fact]
    public void Every_truncation_of_a_file_is_refused()
    {
        byte[] file = Encoding.UTF8.GetBytes(TinyTokenizer.ByteLevel().ToJsonString());
        for (int length = 0; length < file.Length; length += 7)
            Assert.Throws<InputException>(() => TinyTokenizer.Load(file[..length]));
    }

    [Fact]
    public void Spoiled_bytes_are_refused_or_harmless()
    {
        byte[] file = Encoding.UTF8.GetBytes(TinyTokenizer.ByteLevel().ToJsonString());
        var random = new Random(3);
        int refused = 0;
        for (int round = 0; round < 400; round++)
        {
            byte[] spoiled = (byte[])file.Clone();
            spoiled[random.Next(file.Length)] = (byte)random.Next(256);
            try
            {
                TinyTokenizer.Load(spoiled).Encode("ab abc<|end|>");
            }
            catch (InputException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 200, 400);
    }

    [Fact]
    public void Deep_nesting_and_broken_unicode_are_refused()
    {
        Assert.Throws<InputException>(() => TinyTokenizer.Load(Encoding.ASCII.GetBytes(new string('[', 100_000))));
        string deep = string.Concat(Enumerable.Repeat("{\"a\":", 5000)) + "1" + new string('}', 5000);
        Assert.Throws<InputException>(() => TinyTokenizer.Load(Encoding.ASCII.GetBytes(deep)));
        string half = TinyTokenizer.ByteLevel().ToJsonString().Replace("\"c\":3", "\"\\ud800\":3");
        Assert.Contains("ud800", half);
        Assert.Throws<InputException>(() => TinyTokenizer.Load(Encoding.UTF8.GetBytes(half)));
    }

    [Fact]
    public void Missing_files_and_unknown_names_in_the_config_are_refused()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            Assert.Contains(folder, Assert.Throws<InputException>(() => TextTokenizer.FromFolder(folder)).Message);
            File.WriteAllText(Path.Combine(folder, "tokenizer.json"), TinyTokenizer.ByteLevel().ToJsonString());
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"eos_token":{"content":"<nope>"}}""");
            Assert.Contains("<nope>", Assert.Throws<InputException>(() => TextTokenizer.FromFolder(folder)).Message);
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"),
                """{"eos_token":"c","bos_token":"a","chat_template":[{"name":"rag","template":"r"},{"name":"default","template":"d"}],"tokenizer_class":"LlamaTokenizer","add_bos_token":false}""");
            TextTokenizer tokenizer = TextTokenizer.FromFolder(folder);
            Assert.Equal("d", tokenizer.ChatTemplateSource);
            Assert.Equal((1, "a", "c", false), (tokenizer.BosId, tokenizer.BosText, tokenizer.EosText, tokenizer.AddsBos));
            Assert.Equal([4], tokenizer.Encode("ab", addSpecial: true));
            Assert.Equal([3, 6], tokenizer.EndIds.Order());
            File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "j");
            Assert.Equal("j", TextTokenizer.FromFolder(folder).ChatTemplateSource);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Sentencepiece_metadata_encodes_and_cannot_be_tricked_into_control_tokens()
    {
        TextTokenizer tokenizer = TextTokenizer.FromGguf(TinyTokenizer.Pieces());
        int Id(string text) => tokenizer.IdOf(text)!.Value;
        Assert.Equal([1, Id("▁ab"), Id("b")], tokenizer.Encode("abb", addSpecial: true));
        Assert.Equal([Id("▁"), 3 + 0xE2, 3 + 0x98, 3 + 0x83], tokenizer.Encode("☃"));
        Assert.Equal([1, Id("▁ab")], tokenizer.Encode("<s>ab"));
        Assert.Equal([Id("▁"), Id("<s"), Id(">")], tokenizer.Encode("<s>", parseSpecial: false));
        Assert.Equal("☃ ab\n", tokenizer.Decode(tokenizer.Encode("☃ ab\n")));
    }

    [Theory]
    [InlineData("model", "bert", "bert")]
    [InlineData("model", null, "model")]
    [InlineData("tokens", null, "tokens")]
    [InlineData("tokens", 7, "Int32")]
    [InlineData("scores", null, "scores")]
    [InlineData("bos_token_id", 100_000, "100000")]
    [InlineData("eos_token_id", "x", "x")]
    [InlineData("add_bos_token", 3, "3")]
    [InlineData("remove_extra_whitespaces", true, "remove_extra_whitespaces")]
    public void Refuses_gguf_keys(string key, object? value, string named)
    {
        Dictionary<string, object> metadata = TinyTokenizer.Pieces();
        metadata.Remove("tokenizer.ggml." + key);
        if (value is not null)
            metadata["tokenizer.ggml." + key] = value;
        Assert.Contains(named, Assert.Throws<InputException>(() => TextTokenizer.FromGguf(metadata)).Message);
    }

    [Fact]
    public void Refuses_gguf_byte_level_without_a_known_cut()
    {
        Dictionary<string, object> metadata = TinyTokenizer.Pieces();
        metadata["tokenizer.ggml.model"] = "gpt2";
        metadata["tokenizer.ggml.merges"] = new[] { "a b" };
        Assert.Contains("pre", Assert.Throws<InputException>(() => TextTokenizer.FromGguf(metadata)).Message);
        metadata["tokenizer.ggml.pre"] = "dbrx";
        Assert.Contains("dbrx", Assert.Throws<InputException>(() => TextTokenizer.FromGguf(metadata)).Message);
        metadata["tokenizer.ggml.pre"] = "gpt-2";
        Assert.Equal("ab", TextTokenizer.FromGguf(metadata).Decode(TextTokenizer.FromGguf(metadata).Encode("ab")));
    }
}
