using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Retrieval.Runtime.Torch;

/// <summary>
/// Loads libtorch once for the process. It is too large to lie beside every program: a folder that was asked for comes first,
/// then <c>libtorch</c> beside the binary (published), then the restored package (development).
/// </summary>
public static partial class LibtorchLoader
{
    private static readonly Lock Gate = new();
    private static LibtorchInfo? _loaded;

    // In the order in which they need each other; those that a build does not have are left out.
    private static readonly string[] LinuxLibraries =
        ["libgomp*.so*", "libcudart*.so*", "libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    /// <summary>Loads libtorch from <paramref name="directory"/>, or from where the program finds it.</summary>
    /// <exception cref="InputException">It is not there or cannot be loaded, or another one is loaded already.</exception>
    public static LibtorchInfo Load(string? directory = null)
    {
        lock (Gate)
        {
            if (_loaded is { } loaded)
            {
                if (directory is not null && Path.GetFullPath(directory) != loaded.Directory)
                    throw new InputException($"libtorch from {loaded.Directory} is already loaded; {directory} needs a new process.");
                return loaded;
            }
            string found = Find(directory);
            LimitSpinning();
            try
            {
                if (OperatingSystem.IsLinux())
                {
                    foreach (string pattern in LinuxLibraries)
                    {
                        foreach (string library in Directory.GetFiles(found, pattern).Order(StringComparer.Ordinal))
                            NativeLibrary.Load(library);
                    }
                }
                else
                {
                    NativeLibrary.Load(Path.Combine(found, OperatingSystem.IsWindows() ? "torch_cpu.dll" : "libtorch_cpu.dylib"));
                }
                torch.InitializeDeviceType(DeviceType.CPU);
                using torch.Tensor probe = torch.ones(1);
            }
            catch (Exception e) when (e is not InputException)
            {
                throw new InputException($"libtorch in {found} cannot be loaded ({e.GetBaseException().Message.ReplaceLineEndings(" ")}); give another folder with --libtorch.", e);
            }
            return _loaded = new LibtorchInfo(found, torch.__version__, torch.cuda.is_available());
        }
    }

    private static string Find(string? directory)
    {
        if (directory is not null)
        {
            return HasLibtorch(directory)
                ? Path.GetFullPath(directory)
                : throw new InputException($"{directory} holds no libtorch ({MainLibrary} is not there); give the folder that does.");
        }
        string? restored = Assembly.GetEntryAssembly()?.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Concat(AppDomain.CurrentDomain.GetAssemblies().SelectMany(a => a.GetCustomAttributes<AssemblyMetadataAttribute>()))
            .FirstOrDefault(a => a.Key == "LibtorchDirectory")?.Value;
        string[] candidates = [Path.Combine(AppContext.BaseDirectory, "libtorch"), AppContext.BaseDirectory, restored ?? ""];
        return candidates.FirstOrDefault(HasLibtorch)
            ?? throw new InputException($"libtorch was not found beside the program in {candidates[0]}{(restored is null ? "" : $" nor in {restored}")}; restore the packages or give a folder with --libtorch.");
    }

    private static string MainLibrary =>
        OperatingSystem.IsWindows() ? "torch_cpu.dll" : OperatingSystem.IsMacOS() ? "libtorch_cpu.dylib" : "libtorch_cpu.so";

    private static bool HasLibtorch(string directory) => directory.Length > 0 && File.Exists(Path.Combine(directory, MainLibrary));

    /// <summary>
    /// libgomp's threads spin for milliseconds after each parallel region and would take the cores from our own workers, who run
    /// between libtorch's operations. The variable must be in the C environment before libgomp is loaded.
    /// </summary>
    private static void LimitSpinning()
    {
        if (OperatingSystem.IsLinux())
            _ = SetEnvironment("GOMP_SPINCOUNT", "10000", overwrite: 0);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}

/// <summary>The libtorch of this process.</summary>
/// <param name="Version">That the bindings were made for; libtorch does not tell its own, and its neighbours work too.</param>
public sealed record LibtorchInfo(string Directory, string Version, bool CudaAvailable);
