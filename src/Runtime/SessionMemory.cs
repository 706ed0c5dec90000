namespace Retrieval.Runtime;

/// <summary>Bytes that a session and its model hold.</summary>
/// <param name="DeviceBytes">On the device: weights, sinks and window, work buffers.</param>
/// <param name="HostKvBytes">KV rows in host memory.</param>
/// <param name="IndexBytes">Indexes over those rows.</param>
public readonly record struct SessionMemory(long DeviceBytes, long HostKvBytes, long IndexBytes);
