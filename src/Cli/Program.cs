using TorchSharp;
var d = args[0];
foreach (var n in new[] { "libgomp-98b21ff3.so.1", "libc10.so", "libtorch_cpu.so", "libtorch.so" })
{ var p = Path.Combine(d, n); if (File.Exists(p)) System.Runtime.InteropServices.NativeLibrary.Load(p); }
torch.InitializeDeviceType(DeviceType.CPU);
Console.WriteLine(torch.ones(3).sum().item<float>());
