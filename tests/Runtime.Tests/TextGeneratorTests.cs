using System.Text;
using Retrieval.Runtime.Sampling;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Generation from end to end on the embedded model, whose answers are known.</summary>
public sealed class TextGeneratorTests : IDisposable
{
    private const string Prompt = "It rained. The access code for Maren Vale is 48213. They went home.<|user|>What is the access code for Maren Vale?<|assistant|>";

    private readonly Engine _engine = Engine.Load(new EngineOptions
    {
        Model = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"),
        Compute = ComputeType.Float32,
        ContextLimit = 512,
    });

    public void Dispose() => _engine.Dispose();

    [Fact]
    public void EndsAtTheEndToken()
    {
        var pieces = new StringBuilder();
        GenerationResult result = Generate(new GenerationOptions { MaxTokens = 32 }, piece => pieces.Append(piece));
        Assert.Equal("48213", result.Text);
        Assert.Equal("48213", pieces.ToString());
        Assert.Equal(FinishReason.Stop, result.Finish);
        Assert.Equal(5, result.Tokens.Count);
        Assert.Equal(result.Tokens.Count, result.DecodeSteps);
    }

    [Fact]
    public void EndsAtTheLimit()
    {
        GenerationResult result = Generate(new GenerationOptions { MaxTokens = 3 });
        Assert.Equal("482", result.Text);
        Assert.Equal(FinishReason.Length, result.Finish);
    }

    [Fact]
    public void GoesOnPastTheEndTokenWhenAsked()
    {
        GenerationResult result = Generate(new GenerationOptions { MaxTokens = 12, IgnoreEnd = true });
        Assert.Equal(12, result.Tokens.Count);
        Assert.StartsWith("48213", result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void StopStringsAreNeverShown()
    {
        var pieces = new StringBuilder();
        GenerationResult result = Generate(new GenerationOptions { Stop = ["213"] }, piece => pieces.Append(piece));
        Assert.Equal("48", result.Text);
        Assert.Equal("48", pieces.ToString());
        Assert.Equal(FinishReason.Stop, result.Finish);
    }

    [Fact]
    public void CancellingKeepsWhatWasGenerated()
    {
        using var cancel = new CancellationTokenSource();
        GenerationResult result = Generate(new GenerationOptions(), _ => cancel.Cancel(), cancel.Token);
        Assert.Equal(FinishReason.Cancelled, result.Finish);
        Assert.Equal("4", result.Text);
    }

    [Fact]
    public void SeedsMakeSamplingRepeatable()
    {
        var options = new GenerationOptions { MaxTokens = 24, IgnoreEnd = true, Sampling = new SamplingOptions { Temperature = 1.5f, Seed = 7 } };
        Assert.Equal(Generate(options).Tokens, Generate(options).Tokens);
        Assert.NotEqual(Generate(options).Tokens, Generate(options with { Sampling = options.Sampling with { Seed = 8 } }).Tokens);
    }

    [Fact]
    public void WhatDoesNotFitIsRefusedBeforeAnyWork()
    {
        using Session session = _engine.NewSession();
        int[] prompt = _engine.Tokenizer.Encode(Prompt);
        var problem = Assert.Throws<ContextOverflowException>(
            () => TextGenerator.Generate(_engine, session, prompt, new GenerationOptions { MaxTokens = 512 }));
        Assert.Equal(prompt.Length + 512, problem.Tokens);
        Assert.Equal(512, problem.Limit);
        Assert.Equal(0, session.Length);
    }

    [Fact]
    public void AnEmptyPromptIsRefused()
    {
        using Session session = _engine.NewSession();
        Assert.Throws<InputException>(() => TextGenerator.Generate(_engine, session, [], new GenerationOptions()));
    }

    private GenerationResult Generate(GenerationOptions options, Action<string>? onText = null, CancellationToken cancel = default)
    {
        using Session session = _engine.NewSession();
        return TextGenerator.Generate(_engine, session, _engine.Tokenizer.Encode(Prompt), options, onText, null, cancel);
    }
}
