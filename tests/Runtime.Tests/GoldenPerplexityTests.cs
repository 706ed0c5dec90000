using System.Text.Json;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Perplexity of a novel under a real model, against an independent float32 implementation.</summary>
[Collection(AloneCollection.Name)]
public sealed class GoldenPerplexityTests
{
    private const double Tolerance = 1e-3;

    /// <summary>Each window is a text of its own: its first token is not scored.</summary>
    [SkippableTheory]
    [InlineData(512)]
    [InlineData(2048)]
    public void PerplexityIsThatOfTheReference(int window)
    {
        string? folder = SharedFiles.Find("models/smollm2-135m-instruct"), text = SharedFiles.Find("texts/moby-dick.txt");
        Skip.If(folder is null || text is null, "SmolLM2 or the novel is not on this machine (shared/models, shared/texts).");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder!, "golden.json")));
        JsonElement entry = golden.RootElement.GetProperty("perplexity").EnumerateArray()
            .Single(e => e.GetProperty("window").GetInt32() == window);
        int skip = entry.GetProperty("skip_tokens").GetInt32(), windows = entry.GetProperty("windows").GetInt32();

        string model = Path.Combine(folder!, "SmolLM2-135M-Instruct.Q4_1.gguf");
        using Engine engine = Engine.Load(new EngineOptions { Model = model, Compute = ComputeType.Float32 });
        int[] ids = engine.Tokenizer.Encode(File.ReadAllText(text!));
        double sum = 0;
        int scored = 0;
        for (int i = 0; i < windows; i++)
        {
            using Session session = engine.NewSession();
            float[] scores = session.Score(ids.AsSpan(skip + i * window, window));
            sum += scores.Sum(score => (double)score);
            scored += scores.Length;
        }
        Assert.Equal(entry.GetProperty("tokens_scored").GetInt32(), scored);
        double expected = entry.GetProperty("perplexity").GetDouble();
        Assert.InRange(Math.Exp(-sum / scored), expected * (1 - Tolerance), expected * (1 + Tolerance));
    }
}
