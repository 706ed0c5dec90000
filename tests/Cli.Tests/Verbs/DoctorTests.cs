using System.Text.Json;

namespace Retrieval.Cli.Tests.Verbs;

public sealed class DoctorTests
{
    [Fact]
    public void A_development_machine_is_healthy()
    {
        RetrievalProcess run = RetrievalProcess.Run("doctor", "--json");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        JsonElement report = run.Json;
        Assert.True(report.GetProperty("libtorch").GetProperty("loaded").GetBoolean());
        Assert.InRange(report.GetProperty("read_bandwidth_all_threads").GetDouble(), 0.1, 10_000);
        Assert.EndsWith("recall-nano", report.GetProperty("embedded_model").GetString());
    }

    [Fact]
    public void A_folder_without_libtorch_is_the_reported_reason()
    {
        RetrievalProcess run = RetrievalProcess.Run("doctor", "--libtorch", Path.GetTempPath());

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("does not load", run.Output);
        Assert.Contains("something needed is missing", run.Output);
    }
}
