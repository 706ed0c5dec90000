using System.Text.Json;
using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Sampling;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Logits, greedy tokens and perplexities of real models against those of independent float32 implementations.</summary>
public class GoldenModelTests
{
    private const float LogitTolerance = 0.05f;

    public static TheoryData<string, string> Models => new()
    {
        { "recall-nano", "" },
        { "stories260K", "stories260K.gguf" },
        { "tinystories-656K", "" },
        { "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf" },
    };

    [SkippableTheory]
    [MemberData(nameof(Models))]
    public void TopLogitsAndGreedyTokensAreEqual(string model, string file)
    {
        string folder = Folder(model);
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")));
        using Engine engine = Engine.Load(new EngineOptions { Model = Path.Combine(folder, file), Compute = ComputeType.Float32, Policy = new FullPolicy() });
        foreach (JsonElement prompt in golden.RootElement.GetProperty("prompts").EnumerateArray())
        {
            int[] ids = Ints(prompt, "ids", "token_ids");
            using Session session = engine.NewSession();
            session.Append(ids);
            foreach ((int token, float logit) in TopLogits(prompt))
                Assert.InRange(session.Logits[token], logit - LogitTolerance, logit + LogitTolerance);
            foreach (int expected in Ints(prompt, "greedy", "greedy_32"))
            {
                int token = Sampler.ArgMax(session.Logits);
                Assert.Equal(expected, token);
                session.Append([token]);
            }
        }
    }

    private static string Folder(string model)
    {
        string inRepository = Path.Combine(SharedFiles.RepositoryRoot, "models", model);
        string? folder = Directory.Exists(inRepository) ? inRepository : SharedFiles.Find($"models/{model}");
        Skip.If(folder is null, $"The weights of {model} are not on this machine (shared/models/{model}).");
        return folder!;
    }

    private static int[] Ints(JsonElement element, params string[] names)
        => [.. names.Where(n => element.TryGetProperty(n, out _)).SelectMany(n => element.GetProperty(n).EnumerateArray()).Select(e => e.GetInt32())];

    private static IEnumerable<(int Token, float Logit)> TopLogits(JsonElement prompt)
        => prompt.TryGetProperty("top_logits", out JsonElement pairs)
            ? pairs.EnumerateArray().Select(p => (p[0].GetInt32(), p[1].GetSingle()))
            : prompt.GetProperty("top5").EnumerateArray().Select(p => (p.GetProperty("id").GetInt32(), p.GetProperty("logit").GetSingle()));
}
