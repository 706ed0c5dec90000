using System.Security.Cryptography;
using System.Text.Json;
using Retrieval.Runtime.Text;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>Ids against golden data made with other implementations.</summary>
public sealed class GoldenTokenizerTests
{
    [SkippableTheory]
    [InlineData("smollm2")]
    [InlineData("qwen3")]
    [InlineData("llama3_1")]
    public void Encodes_every_case_as_hugging_face(string model)
    {
        TextTokenizer tokenizer = TextTokenizer.FromFolder(Shared.Need("tokenizers/" + model));
        using JsonDocument golden = Shared.Json("golden/tokenizers.json");
        int cases = 0;
        foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] expected = Shared.Ids(item.GetProperty(model));
            Assert.Equal(expected, tokenizer.Encode(text));
            Assert.Equal(model == "qwen3" ? CanonicalComposition.Compose(text) : text, tokenizer.Decode(expected));
            cases++;
        }
        Assert.True(cases >= 20, $"only {cases} cases");
    }

    [SkippableTheory]
    [InlineData("smollm2")]
    [InlineData("qwen3")]
    [InlineData("llama3_1")]
    public void Encodes_whole_books_as_hugging_face(string model)
    {
        TextTokenizer tokenizer = TextTokenizer.FromFolder(Shared.Need("tokenizers/" + model));
        using JsonDocument golden = Shared.Json("golden/tokenizers.json");
        foreach (JsonElement book in golden.RootElement.GetProperty("books").EnumerateArray())
        {
            string text = File.ReadAllText(Shared.Need(book.GetProperty("file").GetString()!));
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(book.GetProperty(model).GetProperty("count").GetInt32(), ids.Length);
            Assert.Equal(book.GetProperty(model).GetProperty("sha256_of_int32_le").GetString(), Hash(ids));
            Assert.Equal(text, tokenizer.Decode(ids));
        }
    }

    [SkippableTheory]
    [InlineData("llama3_1", "llama-bpe")]
    [InlineData("qwen3", "qwen2")]
    public void Encodes_llama_cpp_vectors_from_tokenizer_json(string model, string vectors) =>
        CheckVectors(TextTokenizer.FromFolder(Shared.Need("tokenizers/" + model)), vectors);

    [SkippableFact]
    public void Encodes_llama_cpp_vectors_from_a_sentencepiece_gguf() =>
        CheckVectors(TextTokenizer.FromGguf(GgufMetadata.Read(Shared.Need("tokenizers/golden/ggml-vocab-llama-spm.gguf"))), "llama-spm");

    [SkippableFact]
    public void A_gguf_encodes_as_the_tokenizer_json_of_the_same_model()
    {
        TextTokenizer gguf = TextTokenizer.FromGguf(
            GgufMetadata.Read(Shared.Need("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf")));
        TextTokenizer json = TextTokenizer.FromFolder(Shared.Need("tokenizers/smollm2"));
        using JsonDocument golden = Shared.Json("models/smollm2-135m-instruct/golden.json");
        foreach (JsonElement prompt in golden.RootElement.GetProperty("prompts").EnumerateArray())
        {
            int[] expected = Shared.Ids(prompt.GetProperty("ids"));
            Assert.Equal(expected, gguf.Encode(prompt.GetProperty("prompt").GetString()!, addSpecial: true));
            Assert.Equal(expected, json.Encode(prompt.GetProperty("prompt").GetString()!));
            Assert.Equal(prompt.GetProperty("text").GetString(), gguf.Decode(Shared.Ids(prompt.GetProperty("greedy"))));
        }
        Assert.Equal(2, gguf.IdOf("<|im_end|>"));
        Assert.Contains(2, gguf.EndIds);
        Assert.False(gguf.AddsBos);
        Assert.NotNull(gguf.ChatTemplateSource);
    }

    [SkippableFact]
    public void Character_level_model_with_unknown_token_encodes_as_hugging_face()
    {
        TextTokenizer tokenizer = TextTokenizer.FromFolder(Shared.Need("models/tinystories-656K"));
        using JsonDocument golden = Shared.Json("models/tinystories-656K/golden.json");
        foreach (JsonElement prompt in golden.RootElement.GetProperty("prompts").EnumerateArray())
        {
            int[] ids = Shared.Ids(prompt.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(prompt.GetProperty("prompt").GetString()!));
            Assert.Equal(prompt.GetProperty("text").GetString(), tokenizer.Decode(Shared.Ids(prompt.GetProperty("greedy"))));
        }
        Assert.Equal([1, .. tokenizer.Encode("a")], tokenizer.Encode("a", addSpecial: true));
        Assert.True(tokenizer.AddsBos);
    }

    // Made with the Hugging Face library; the token's text is looked for in the normalized text, so it takes the ▁ with it.
    [SkippableTheory]
    [InlineData("<|start_story|>Hi", new[] { 1, 1158 })]
    [InlineData("Hello <|start_story|> x", new[] { 80, 1288, 67, 1, 80, 76 })]
    [InlineData("a <unk> b", new[] { 85, 0, 80, 54 })]
    [InlineData("é ☃ x", new[] { 80, 0, 80, 0, 80, 76 })]
    [InlineData("  two", new[] { 80, 80, 80, 865, 67 })]
    [InlineData(" ", new[] { 80, 80 })]
    [InlineData("\n\n a", new[] { 80, 3, 3, 85 })]
    public void Normalized_special_tokens_match_as_in_hugging_face(string text, int[] expected) =>
        Assert.Equal(expected, TextTokenizer.FromFolder(Shared.Need("models/tinystories-656K")).Encode(text));

    [SkippableFact]
    public void Small_sentencepiece_gguf_speaks_its_golden_text()
    {
        TextTokenizer tokenizer = TextTokenizer.FromGguf(GgufMetadata.Read(Shared.Need("models/stories260K/stories260K.gguf")));
        using JsonDocument golden = Shared.Json("models/stories260K/golden.json");
        JsonElement prompt = golden.RootElement.GetProperty("prompts")[0];
        int[] greedy = Shared.Ids(prompt.GetProperty("greedy"));
        string text = prompt.GetProperty("text").GetString()!;
        Assert.Equal(text[1..], tokenizer.Decode(greedy));
        Assert.Equal(greedy, tokenizer.Encode(text[1..]));
        Assert.Equal([1, .. greedy], tokenizer.Encode(text[1..], addSpecial: true));
        StreamingDetokenizer goingOn = tokenizer.CreateDetokenizer(continues: true);
        Assert.Equal(text, string.Concat(greedy.Select(goingOn.Push)) + goingOn.Flush());
    }

    [Fact]
    public void Model_in_the_repository_encodes_its_golden_prompts()
    {
        string folder = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano");
        TextTokenizer tokenizer = TextTokenizer.FromFolder(folder);
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        foreach (JsonElement prompt in golden.RootElement.GetProperty("prompts").EnumerateArray())
        {
            string text = prompt.GetProperty("prompt").GetString()!;
            int[] ids = Shared.Ids(prompt.GetProperty("token_ids"));
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(text, tokenizer.Decode(ids));
            Assert.Equal(prompt.GetProperty("greedy_text").GetString(), tokenizer.Decode(Shared.Ids(prompt.GetProperty("greedy_32"))));
        }
        Assert.Equal(2048, tokenizer.VocabularySize);
        Assert.Equal(0, tokenizer.BosId);
        Assert.False(tokenizer.AddsBos);
        Assert.Equal([0], tokenizer.EndIds);
        Assert.Equal("<|endoftext|>", tokenizer.EosText);
    }

    private static void CheckVectors(TextTokenizer tokenizer, string name)
    {
        string folder = Shared.Need("tokenizers/golden");
        // The separator also ends the last text.
        string[] inputs = File.ReadAllText(Path.Combine(folder, $"ggml-vocab-{name}.gguf.inp")).Split("\n__ggml_vocab_test__\n")[..^1];
        string[] outputs = File.ReadAllLines(Path.Combine(folder, $"ggml-vocab-{name}.gguf.out"));
        Assert.Equal(inputs.Length, outputs.Length);
        for (int i = 0; i < inputs.Length; i++)
        {
            int[] expected = [.. outputs[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            Assert.Equal(expected, tokenizer.Encode(inputs[i]));
            Assert.Equal(inputs[i], tokenizer.Decode(expected));
        }
    }

    private static string Hash(int[] ids)
    {
        var bytes = new byte[4 * ids.Length];
        Buffer.BlockCopy(ids, 0, bytes, 0, bytes.Length);
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }
}
