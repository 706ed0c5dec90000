using System.Diagnostics;
using Retrieval.Runtime.Text;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>Long text without boundaries must not be quadratic, and threads may share a tokenizer.</summary>
public sealed class TokenizerScaleTests
{
    private static readonly TextTokenizer Nano = TextTokenizer.FromFolder(Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"));

    public static TheoryData<string> Runs => ["letters", "one letter", "spaces", "lines", "marks", "pictures", "open tags"];

    // Quadratic work on a million characters would take many minutes.
    [Theory]
    [MemberData(nameof(Runs))]
    public void A_million_characters_in_one_run_take_seconds(string kind) => CheckRun(Nano, kind);

    [SkippableTheory]
    [MemberData(nameof(Runs))]
    public void A_million_characters_take_seconds_with_composition(string kind) =>
        CheckRun(TextTokenizer.FromFolder(Shared.Need("tokenizers/qwen3")), kind);

    [SkippableTheory]
    [MemberData(nameof(Runs))]
    public void A_million_characters_take_seconds_without_pre_tokenizer(string kind) =>
        CheckRun(TextTokenizer.FromGguf(GgufMetadata.Read(Shared.Need("tokenizers/golden/ggml-vocab-llama-spm.gguf"))), kind);

    [Fact]
    public async Task Threads_share_one_tokenizer()
    {
        string text = string.Concat(Enumerable.Range(0, 2000).Select(i => $"word{i} and more; "));
        int[] expected = Nano.Encode(text);
        int[][] results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Nano.Encode(text))));
        Assert.All(results, ids => Assert.Equal(expected, ids));
    }

    [Theory]
    [InlineData("cafe\u0301", "café")]
    [InlineData("\u1100\u1161\u11A8\u212B\u2126", "각ÅΩ")]
    [InlineData("a\u0327\u0301 a\u0301\u0327", "\u00E1\u0327 \u00E1\u0327")]
    [InlineData("e\u0327\u0301", "\u0229\u0301")]
    [InlineData("\u0344\u0958\uFB4B\u0301", "\u0308\u0301\u0915\u093C\u05D5\u05B9\u0301")]
    [InlineData("\U0001D15E\uD800x\U0002F800", "\U0001D157\U0001D165\uD800x\u4E3D")]
    public void Composes_as_unicode_says(string text, string expected)
    {
        string composed = CanonicalComposition.Compose(text);
        Assert.Equal(expected, composed);
        Assert.Equal(composed, CanonicalComposition.Compose(composed));
    }

    private static void CheckRun(TextTokenizer tokenizer, string kind)
    {
        const int Length = 1_000_000;
        string text = kind switch
        {
            "letters" => string.Create(Length, 0, (span, _) => { for (int i = 0; i < Length; i++) span[i] = (char)('a' + (int)(i * 7919L * i % 26)); }),
            "one letter" => new string('a', Length),
            "spaces" => new string(' ', Length),
            "lines" => string.Concat(Enumerable.Repeat(" \n", Length / 2)),
            "marks" => "a" + string.Concat(Enumerable.Repeat("\u0327\u0323", Length / 2)),
            "pictures" => string.Concat(Enumerable.Repeat("🙂", Length / 2)),
            _ => string.Concat(Enumerable.Repeat("<|", Length / 2)),
        };
        Stopwatch time = Stopwatch.StartNew();
        int[] ids = tokenizer.Encode(text);
        string decoded = tokenizer.Decode(ids);
        Assert.True(time.Elapsed < TimeSpan.FromSeconds(30), $"took {time.Elapsed}");
        bool composes = tokenizer.VocabularySize > 150_000;
        Assert.True((composes ? CanonicalComposition.Compose(text) : text) == decoded, "the text does not come back");
    }
}
