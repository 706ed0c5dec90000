using Retrieval.Offload;
using Retrieval.Scenarios.Frontier;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Bench.Tests;

/// <summary>What the frontier says of real heads, where the shared files are.</summary>
public sealed class FrontierRunTests
{
    [SkippableFact]
    public void The_default_is_more_exact_than_RetroInfer_at_less_than_half_its_bytes()
    {
        string? folder = SharedFiles.Find("qkv");
        Skip.If(folder is null, "The shared folder qkv is not on this machine.");
        string[] files = [.. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal)];
        Assert.NotEmpty(files);
        foreach (IGrouping<string, FrontierResult> file in FrontierRun
            .Measure(files, [new IvfPqMethod(64, [new IvfPqPoint(null)]), new RetroInferMethod(RowFormat.F16, [0.1])], _ => true, TextWriter.Null)
            .GroupBy(result => result.File))
        {
            FrontierResult ours = file.First(), theirs = file.Last();
            Assert.Equal(("ivf-pq default", "RetroInfer, 10 %"), (ours.Method, theirs.Method));
            Assert.InRange(ours.MeanError, 0, theirs.MeanError);
            Assert.InRange(ours.P95Error, 0, theirs.P95Error);
            Assert.InRange(ours.BytesPct, 0.1, theirs.BytesPct / 2);
        }
    }
}
