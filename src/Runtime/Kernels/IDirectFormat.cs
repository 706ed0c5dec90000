using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// A format whose weights go from memory through registers into a product: what <see cref="DirectMatVec"/> needs to know.
/// </summary>
internal unsafe interface IDirectFormat : IWeightFormat
{
    /// <summary>Elements of a step: a block, or sixteen for formats whose blocks are single elements.</summary>
    static abstract int StepSize { get; }

    /// <summary>Bytes of a step.</summary>
    static abstract int StepBytes { get; }

    /// <summary>sum plus, spread over its lanes, the product of a step's weights with x.</summary>
    static abstract Vector512<float> MultiplyAdd(byte* weights, float* x, Vector512<float> sum);
}
