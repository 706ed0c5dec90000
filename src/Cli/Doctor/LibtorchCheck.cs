using Retrieval.Runtime;
using Retrieval.Runtime.Torch;

namespace Retrieval.Cli;

/// <summary>Whether libtorch loads, and if not, why.</summary>
internal sealed record LibtorchCheck(bool Loaded, string? Directory, string? Version, bool CudaAvailable, string? Problem)
{
    public static LibtorchCheck Run(string? directory)
    {
        try
        {
            LibtorchInfo info = LibtorchLoader.Load(directory);
            return new LibtorchCheck(true, info.Directory, info.Version, info.CudaAvailable, null);
        }
        catch (InputException problem)
        {
            return new LibtorchCheck(false, directory, null, false, problem.Message);
        }
    }
}
