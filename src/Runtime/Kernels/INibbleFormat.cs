using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// A format of four-bit values with w = scale q + offset for each group of 32 elements: what <see cref="NibbleMatVec"/>
/// needs to know.
/// </summary>
internal unsafe interface INibbleFormat : IWeightFormat
{
    /// <summary>Bytes of a block before its nibbles.</summary>
    static abstract int HeaderBytes { get; }

    /// <summary>
    /// Consecutive bytes whose low nibbles are one run of elements and whose high nibbles are the next run: 16 or 32.
    /// </summary>
    static abstract int RunBytes { get; }

    /// <summary>Copies what scales and offsets are made of out of a row, 4 bytes a group of 32 elements.</summary>
    /// <param name="row">The row's blocks.</param>
    /// <param name="bits">[blocks * block size / 32].</param>
    /// <param name="blocks">Blocks of the row.</param>
    static abstract void CollectScales(byte* row, uint* bits, int blocks);

    /// <summary>Writes every group's scale and returns, as sixteen parts, the sum of offset[g] * sums[g].</summary>
    /// <param name="bits">As collected; up to 15 words more are read, whatever they are, with sums of 0.</param>
    /// <param name="sums">[groups]: sum of the activations of each group.</param>
    /// <param name="scales">[groups], and up to 15 more are written.</param>
    /// <param name="groups">Groups of the row.</param>
    static abstract Vector512<float> ConvertScales(uint* bits, float* sums, float* scales, int groups);
}
