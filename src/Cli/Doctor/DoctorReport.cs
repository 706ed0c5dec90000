using System.Globalization;
using System.Runtime.InteropServices;
using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>What `doctor` prints. Bandwidths are in GB/s of 10⁹ bytes.</summary>
internal sealed record DoctorReport(
    bool Healthy,
    string System,
    string Dotnet,
    LibtorchCheck Libtorch,
    string Simd,
    bool Bfloat16Products,
    int Threads,
    long MemoryBytes,
    long AvailableMemoryBytes,
    double ReadBandwidthOneThread,
    double ReadBandwidthAllThreads,
    string? EmbeddedModel)
{
    public static DoctorReport Examine(string? libtorchDirectory)
    {
        var libtorch = LibtorchCheck.Run(libtorchDirectory);
        string? model = Cli.EmbeddedModel.Find();
        int threads = Environment.ProcessorCount;
        return new DoctorReport(
            libtorch.Loaded && model is not null,
            $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}",
            RuntimeInformation.FrameworkDescription,
            libtorch,
            SimdLevel.Name,
            Retrieval.Runtime.Torch.ProcessorFeatures.MultipliesBFloat16,
            threads,
            HostMemory.Total,
            HostMemory.Available,
            Math.Round(MemoryBandwidth.Measure(1), 1),
            Math.Round(MemoryBandwidth.Measure(threads), 1),
            model);
    }

    public void Write(TextWriter writer)
    {
        var table = new TextTable("", "") { FirstNumber = 2 };
        table.Add("system", System);
        table.Add(".NET", Dotnet);
        table.Add("libtorch", Libtorch.Loaded ? $"from {Libtorch.Directory}, through bindings for {Libtorch.Version}" : $"does not load: {Libtorch.Problem}");
        table.Add("CUDA", Libtorch.CudaAvailable ? "available" : "not available; --libtorch takes the folder of a CUDA build");
        table.Add("vectors", Simd);
        table.Add("bfloat16 products", Bfloat16Products ? "in hardware, used in prefill" : "not in hardware, prefill uses float32");
        table.Add("threads", Threads.ToString(CultureInfo.InvariantCulture));
        table.Add("memory", $"{Units.Bytes(MemoryBytes)}, {Units.Bytes(AvailableMemoryBytes)} available");
        table.Add("memory bandwidth", string.Create(CultureInfo.InvariantCulture, $"{ReadBandwidthOneThread:0.0} GB/s with one thread, {ReadBandwidthAllThreads:0.0} GB/s with {Threads}"));
        table.Add("embedded model", EmbeddedModel ?? $"not found: no models/{Cli.EmbeddedModel.Name} beside {AppContext.BaseDirectory} or above it; name a model with -m");
        table.Add("verdict", Healthy ? "everything needed is there" : "something needed is missing, see above");
        table.Write(writer);
    }
}
