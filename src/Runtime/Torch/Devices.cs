using TorchSharp;

namespace Retrieval.Runtime.Torch;

/// <summary>Names of devices: <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c>.</summary>
internal static class Devices
{
    public static torch.Device Parse(string name)
    {
        if (name == "cpu")
            return torch.CPU;
        if (name != "cuda" && !name.StartsWith("cuda:", StringComparison.Ordinal))
            throw new InputException($"There is no device '{name}'; choose cpu, cuda or cuda:N.");
        int index = 0;
        if (name != "cuda" && (!int.TryParse(name.AsSpan(5), out index) || index < 0))
            throw new InputException($"'{name}' does not name a device; choose cuda:0, cuda:1 and so on.");
        if (!torch.cuda.is_available())
            throw new InputException($"The device {name} was asked for but libtorch sees no CUDA; use --device cpu, or give a CUDA build of libtorch with --libtorch.");
        if (index >= torch.cuda.device_count())
            throw new InputException($"The device {name} was asked for but there are {torch.cuda.device_count()} CUDA devices; the first is cuda:0.");
        return new torch.Device(DeviceType.CUDA, index);
    }
}
