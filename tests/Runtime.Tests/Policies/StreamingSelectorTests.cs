using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

public sealed class StreamingSelectorTests : TokenSelectorTests
{
    private protected override RetrievalPolicy Small => new StreamingPolicy { Sinks = Sinks, Window = 8 };

    private protected override int SmallBudget => 0;

    private protected override RetrievalPolicy Everything(int length) => new StreamingPolicy { Sinks = 3, Window = length - 3 };

    /// <summary>A step sees sinks and window and nothing else; the prompt before it was read exactly.</summary>
    [Theory]
    [InlineData(0, 1, 30)]
    [InlineData(4, 8, 30)]
    [InlineData(4, 8, 12)]
    [InlineData(4, 8, 13)]
    [InlineData(20, 5, 10)]
    [InlineData(0, 64, 70)]
    public void AStepSeesSinksAndWindow(int sinks, int window, int prompt)
    {
        ReferenceCase test = ReferenceCase.Of("smollm3, sliding");
        using var tiny = new TinyEngine(test.Model, chunk: 16);
        int[] tokens = test.Tokens(prompt + 8);
        double[][] expected = test.Decoder().Run(tokens, sees: (token, key) => token < prompt - 1 || key < sinks || key > token - window);
        float[][] actual = Logits.Of(
            tiny.Engine, new StreamingPolicy { Sinks = sinks, Window = window }, tokens.AsSpan(0, prompt), tokens.AsSpan(prompt));
        for (int i = 0; i < actual.Length; i++)
            Logits.AssertNear(expected[prompt - 1 + i], actual[i], 1e-3, $"{prompt} tokens and {i} steps");
    }

    [Fact]
    public void DiffersFromFullAttentionWhereItLeavesTokensOut()
    {
        using Engine engine = Logits.LoadRecallNano();
        int[] tokens = RandomData.Tokens(400, engine.Config.Vocabulary, 8);
        float[] full = Logits.Of(engine, new FullPolicy(), tokens)[0];
        float[] streaming = Logits.Of(engine, new StreamingPolicy { Sinks = 4, Window = 16 }, tokens)[0];
        float[] wide = Logits.Of(engine, new StreamingPolicy { Sinks = 4, Window = 396 }, tokens)[0];
        Assert.True(Logits.Distance(full, streaming) > 0.1);
        Assert.True(Logits.Distance(full, wide) < 1e-4);
    }
}
