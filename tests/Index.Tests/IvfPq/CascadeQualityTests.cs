using Retrieval.TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>
/// Error of the attention output against bytes read, on queries and keys of a real model: the promise of the method. Protocol of
/// the table in the documentation of shared/qkv: 64 sinks and the last 512 to 1,023 tokens exact, 31,680 rows indexed.
/// </summary>
public sealed class CascadeQualityTests(ITestOutputHelper output)
{
    private const int Dim = 64, Group = 7, Sinks = 64, Far = 31_680, Window = Sinks + Far, Queries = 32;
    private const double RowBytes = 256;

    private static readonly string[] Files = ["l03-h0", "l07-h1", "l15-h1", "l20-h0"];

    [SkippableTheory]
    [InlineData(128, 3100, 380, 128, 0.012, 0.040)]
    [InlineData(64, 6700, 760, 256, 0.025, 0.023)]
    [InlineData(64, 14800, 1880, 512, 0.045, 0.014)]
    public void ErrorAgainstBytesOnRealHeads(int rowsPerList, int opened, int keys, int values, double mostBytes, double mostError)
    {
        Skip.If(SharedFiles.Find("qkv") is null, "The recorded queries, keys and values (shared/qkv) are not on this machine.");
        var errors = new List<double>();
        double bytes = 0;
        foreach (string name in Files)
        {
            (double[] error, double share) = Measure(name, new IvfPqOptions { RowsPerList = rowsPerList }, new CascadeBudget(opened, keys, values));
            output.WriteLine($"{name}: error {error.Average():f4}, {100 * share:f2} % of the bytes");
            errors.AddRange(error);
            bytes += share / Files.Length;
        }
        output.WriteLine($"mean error {errors.Average():f4}, {100 * bytes:f2} % of the bytes");
        Assert.True(errors.Average() <= mostError, $"mean error {errors.Average():f4}, at most {mostError} expected");
        Assert.True(bytes <= mostBytes, $"{100 * bytes:f2} % of the bytes, at most {100 * mostBytes} % expected");
    }

    private static (double[] Errors, double Bytes) Measure(string name, IvfPqOptions options, CascadeBudget budget)
    {
        var file = new SafetensorsFile16(SharedFiles.Find($"qkv/qwen2.5-coder-0.5b-moby32k-{name}.safetensors")!);
        MemoryRows keys = new(file.Half("k"), Dim), values = new(file.Half("v"), Dim);
        var moments = new QueryMoments(Dim);
        moments.Add(file.Half("prompt_queries"));
        float[] queries = [.. file.Half("test_queries").Select(x => x / 8)], expected = file.Single("test_outputs");
        int[] positions = file.Integers("test_positions");
        MemoryRows indexedKeys = new(keys.Values[..(Window * Dim)], Dim), indexedValues = new(values.Values[..(Window * Dim)], Dim);
        using var packed = new PackedIndex(indexedKeys, indexedValues, Sinks, moments, halves: false, options);
        var errors = new List<double>();
        double bytes = 0;
        var cascade = new Cascade();
        for (int n = 0; n < Queries; n++)
        {
            float[] group = queries[(n * Group * Dim)..((n + 1) * Group * Dim)];
            Attention resident = Attention.Full(keys, values, 0, Sinks, group).Merge(Attention.Full(keys, values, Window, positions[n] + 1, group));
            Attention far = packed.Attend(group, budget, resident.LogSumExp, cascade);
            errors.AddRange(far.Merge(resident).Errors(expected.AsSpan(n * Group * Dim, Group * Dim)));
            bytes += far.Bytes.Total / (RowBytes * Far * Queries);
        }
        return ([.. errors], bytes);
    }
}
