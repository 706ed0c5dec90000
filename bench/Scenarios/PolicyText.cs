using System.Text.Json;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios;

/// <summary>A policy on a command line: a name, or JSON such as {"policy":"ivf-pq","maxError":0.02}.</summary>
internal static class PolicyText
{
    public const string Help = "by name or as JSON such as {\"policy\":\"ivf-pq\",\"maxError\":0.02}";

    private static readonly JsonSerializerOptions Options = new() { PropertyNameCaseInsensitive = true };

    /// <exception cref="InputException">There is no such policy, or an option is out of its range.</exception>
    public static RetrievalPolicy Read(string value)
    {
        try
        {
            RetrievalPolicy policy = value.StartsWith('{') ? JsonSerializer.Deserialize<RetrievalPolicy>(value, Options)! : RetrievalPolicy.FromName(value);
            policy.Validate();
            return policy;
        }
        catch (JsonException problem)
        {
            throw new InputException($"The policy {value} is not valid JSON of a policy: {problem.Message}");
        }
    }

    /// <summary>A policy's name and the options that differ from its defaults.</summary>
    public static string Describe(RetrievalPolicy policy)
    {
        var own = JsonSerializer.SerializeToElement(policy, typeof(RetrievalPolicy));
        var defaults = JsonSerializer.SerializeToElement(RetrievalPolicy.FromName(policy.Name), typeof(RetrievalPolicy));
        IEnumerable<string> changed = own.EnumerateObject()
            .Where(p => !JsonElement.DeepEquals(p.Value, defaults.GetProperty(p.Name))).Select(p => $"{p.Name} {p.Value}");
        return string.Join(", ", [policy.Name, .. changed]);
    }
}
