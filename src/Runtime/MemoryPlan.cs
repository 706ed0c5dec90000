namespace Retrieval.Runtime;

/// <summary>
/// What reading a prompt takes of the machine, in bytes, before it begins. Rows that the policy's index packs are 16-bit until
/// their layer is indexed; so at the peak, near the last layer, most are packed and those of a few layers are not.
/// </summary>
public sealed record MemoryPlan
{
    /// <summary>Layers that are being indexed, their rows still in 16 bits, while another one is read.</summary>
    internal const int LayersIndexing = 2;

    /// <summary>Tokens to read.</summary>
    public required int Tokens { get; init; }

    /// <summary>The device is the processor: what is on the device is a part of host memory.</summary>
    public required bool DeviceIsHost { get; init; }

    /// <summary>On the device: weights as the decoder reads them.</summary>
    public required long DeviceWeightBytes { get; init; }

    /// <summary>On the device: first tokens and window of every layer, once the prompt is read.</summary>
    public required long DeviceWindowBytes { get; init; }

    /// <summary>On the device: activations of a chunk and weights converted for prefill.</summary>
    public required long DeviceWorkBytes { get; init; }

    /// <summary>Host memory that the process holds before it begins: program, libtorch, weights, what was read earlier.</summary>
    public required long HostHeldBytes { get; init; }

    /// <summary>Activations, converted weights and building of indexes; freed or reused.</summary>
    public required long HostWorkBytes { get; init; }

    /// <summary>Hidden states of all tokens in float32; freed when the prompt is read.</summary>
    public required long HostHiddenBytes { get; init; }

    /// <summary>16-bit rows of layers that are not indexed yet, at the peak.</summary>
    public required long HostWaitingKvBytes { get; init; }

    /// <summary>All other rows at the peak.</summary>
    public required long HostSettledKvBytes { get; init; }

    /// <summary>Rows once the prompt is read.</summary>
    public required long HostKvBytes { get; init; }

    /// <summary>Indexes once the prompt is read.</summary>
    public required long HostIndexBytes { get; init; }

    /// <summary>What can be had beside <see cref="HostHeldBytes"/> without swapping.</summary>
    public required long HostAvailableBytes { get; init; }

    /// <summary>Written to disk: nothing.</summary>
    public long DiskBytes { get; init; }

    /// <summary>About how long reading takes; null: not measured.</summary>
    public double? PrefillSeconds { get; init; }

    /// <summary>About how long each generated token takes; null: not measured.</summary>
    public double? MsPerToken { get; init; }

    public long DeviceBytes => DeviceWeightBytes + DeviceWindowBytes + DeviceWorkBytes;

    /// <summary>Host memory that is asked for at the peak.</summary>
    public long HostNeededBytes => HostWorkBytes + HostHiddenBytes + HostWaitingKvBytes + HostSettledKvBytes + HostIndexBytes;

    /// <summary>Host memory of the whole process at the peak.</summary>
    public long HostPeakBytes => HostHeldBytes + HostNeededBytes;

    /// <summary>Refuses a prompt that cannot be read: the kernel's way of refusing is to end the process, hours later.</summary>
    /// <exception cref="InsufficientMemoryException">More is needed than is available; the message has both numbers.</exception>
    public void Demand() => HostMemory.Demand(HostNeededBytes, HostAvailableBytes, $"Reading {Tokens:N0} tokens",
        $" (KV rows {Gigabytes(HostWaitingKvBytes + HostSettledKvBytes)}, index {Gigabytes(HostIndexBytes)}, hidden states {Gigabytes(HostHiddenBytes)}, work {Gigabytes(HostWorkBytes)})");

    private static string Gigabytes(long bytes) => FormattableString.Invariant($"{bytes / 1e9:F1}");
}
