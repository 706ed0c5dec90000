using System.Runtime.Intrinsics.X86;

namespace Retrieval.Runtime.Torch;

/// <summary>What the processor can do that .NET has no property for.</summary>
public static class ProcessorFeatures
{
    /// <summary>AVX-512 BF16 (CPUID leaf 7, subleaf 1, EAX bit 5) or AMX BF16 (leaf 7, subleaf 0, EDX bit 22): libtorch multiplies bfloat16 faster than float32.</summary>
    public static bool MultipliesBFloat16 { get; } = Detect();

    private static bool Detect()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
            return false;
        (int mostSubleaf, _, _, int features) = X86Base.CpuId(7, 0);
        bool amx = (features & (1 << 22)) != 0;
        bool avx512 = Avx512F.IsSupported && mostSubleaf >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
        return amx || avx512;
    }
}
