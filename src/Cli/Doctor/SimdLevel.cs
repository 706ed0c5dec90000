using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Cli;

/// <summary>The widest vectors that this process uses, which environment variables may have narrowed.</summary>
internal static class SimdLevel
{
    public static string Name { get; } = Find();

    private static string Find()
    {
        string width = Vector512.IsHardwareAccelerated ? "512-bit" : Vector256.IsHardwareAccelerated ? "256-bit" : Vector128.IsHardwareAccelerated ? "128-bit" : "none";
        var sets = new List<string>();
        Add(Avx512F.IsSupported, "AVX-512F");
        Add(Avx512Vbmi.IsSupported, "AVX-512 VBMI");
        Add(Avx2.IsSupported && !Avx512F.IsSupported, "AVX2");
        Add(Fma.IsSupported && !Avx512F.IsSupported, "FMA");
        Add(AdvSimd.IsSupported, "NEON");
        return sets.Count == 0 ? width : $"{width} ({string.Join(", ", sets)}) on {RuntimeInformation.ProcessArchitecture}";

        void Add(bool supported, string name)
        {
            if (supported)
                sets.Add(name);
        }
    }
}
