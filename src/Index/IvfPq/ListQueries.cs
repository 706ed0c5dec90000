using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// A group's queries as lists are scored with: rounded to whole numbers, the scales of the axes included, once for all lists. What makes
/// logits of the sums, see <see cref="ListScores"/>, are a unit and an offset a query.
/// </summary>
internal sealed unsafe class ListQueries
{
    private readonly PinnedMemory<short> _centres = new(), _spreads = new();
    private readonly PinnedMemory<float> _centreUnits = new(), _spreadUnits = new(), _offsets = new(), _energies = new();

    public int Dim { get; private set; }

    public int Group { get; private set; }

    /// <summary>[group, <see cref="ByteColumns.Even"/>], to be multiplied with the bytes of centres.</summary>
    public short* Centres => _centres.Pointer;

    /// <summary>[group]: what a whole number of <see cref="Centres"/> is worth.</summary>
    public float* CentreUnits => _centreUnits.Pointer;

    /// <summary>[group]: logit of what centres are relative to.</summary>
    public float* Offsets => _offsets.Pointer;

    /// <summary>[group, bands], to be multiplied with the bytes of spreads.</summary>
    public short* Spreads => _spreads.Pointer;

    /// <summary>[group]: what a whole number of <see cref="Spreads"/> is worth.</summary>
    public float* SpreadUnits => _spreadUnits.Pointer;

    /// <param name="x">[group, dim], in the codec's coordinates.</param>
    public void Begin(IvfPqCodec codec, float* x, int group)
    {
        const int Bands = IvfPqCodec.Bands;
        (Dim, Group) = (codec.Dim, group);
        int even = ByteColumns.Even(Dim);
        _centres.Grow(group * even);
        _spreads.Grow(group * Bands);
        _centreUnits.Grow(group);
        _spreadUnits.Grow(group);
        _offsets.Grow(group);
        ListScores.Energies(codec, x, group, _energies.Grow(group * Bands));
        float* one = stackalloc float[Bands];
        new Span<float>(one, Bands).Fill(1);
        fixed (float* scale = codec.CentreScale)
        {
            for (int g = 0; g < group; g++)
            {
                CentreUnits[g] = ByteColumns.Round(x + g * Dim, scale, Dim, Centres + g * even);
                SpreadUnits[g] = ByteColumns.Round(_energies.Pointer + g * Bands, one, Bands, Spreads + g * Bands);
                Offsets[g] = TensorPrimitives.Dot(new ReadOnlySpan<float>(x + g * Dim, Dim), codec.CentreMiddle);
            }
        }
    }
}
