using Retrieval.Offload;
using Retrieval.Runtime.Compute;

namespace Retrieval.Runtime.Attention;

/// <summary>
/// Attention of one layer over a sequence's KV state. Two implementations ship: <see cref="HostDecoderAttention"/> for the
/// processor, where host memory is device memory, and <see cref="DeviceDecoderAttention"/> for a GPU.
/// Keys and values are appended to the state first; a token attends to itself.
/// </summary>
internal interface IDecoderAttention : IDisposable
{
    /// <summary>Bytes of buffers on the device that serve every sequence.</summary>
    long DeviceBytes { get; }

    /// <summary>Rows moved between host and device; all zero where they are one.</summary>
    KvTransferCounters Transfers { get; }

    /// <summary>Attention of a chunk of tokens whose first has <paramref name="position"/>, exact or as the state's policy reads prompts.</summary>
    /// <param name="length">Tokens that the sequence will hold when the whole prompt is read.</param>
    /// <param name="query">[tokens, heads * headDim], after RoPE, not scaled.</param>
    /// <param name="output">Like <paramref name="query"/>.</param>
    void Prefill(SequenceState state, int layer, int position, int length, Rows query, Rows key, Rows value, Rows output);

    /// <summary>Attention of one token under the state's policy: sinks and window, the selected rows, merged.</summary>
    void Step(SequenceState state, int layer, int position, Rows query, Rows key, Rows value, Rows output);

    /// <summary>Appends a chunk's rows without attending (the last layer of a prompt needs no more); its queries are only observed.</summary>
    void AppendOnly(SequenceState state, int layer, int position, Rows query, Rows key, Rows value);
}
