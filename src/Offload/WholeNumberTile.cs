using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// The products of <see cref="HostPrefill"/> in 16-bit whole numbers: its queries, one tile of keys and values, and the weights of
/// some rows.
/// </summary>
internal readonly unsafe ref struct WholeNumberTile
{
    /// <summary>Rows whose weights are there at a time, as many as a product takes at once.</summary>
    public const int Together = 6;

    private readonly int _tileKeys, _dim, _paddedDim, _queryStride;
    private readonly short* _queries, _weights;
    private readonly int* _keys, _values;
    private readonly float* _queryUnits, _weightUnits, _keyUnits, _valueUnits;

    /// <param name="memory">At least <see cref="Floats"/> floats, beginning at a cache line.</param>
    public WholeNumberTile(float* memory, int rows, int tileKeys, int dim, int paddedDim)
    {
        (_tileKeys, _dim, _paddedDim, _queryStride) = (tileKeys, dim, paddedDim, 2 * WholeNumberMultiply.Pairs(dim));
        _keys = (int*)memory;
        _values = _keys + WholeNumberMultiply.Pairs(dim) * tileKeys;
        _weights = (short*)(_values + WholeNumberMultiply.Pairs(tileKeys) * paddedDim);
        _queries = _weights + Together * tileKeys;
        _keyUnits = (float*)(_queries + rows * _queryStride);
        _valueUnits = _keyUnits + tileKeys;
        _weightUnits = _valueUnits + paddedDim;
        _queryUnits = _weightUnits + Together;
    }

    /// <summary>Memory of a tile and so many rows of queries, in whole cache lines.</summary>
    public static long Floats(int rows, int tileKeys, int dim, int paddedDim)
        => ((long)WholeNumberMultiply.Pairs(dim) * tileKeys + WholeNumberMultiply.Pairs(tileKeys) * paddedDim + Together * (tileKeys / 2 + 1)
            + rows * (WholeNumberMultiply.Pairs(dim) + 1L) + tileKeys + paddedDim + 15) / 16 * 16;

    /// <param name="queries">[rows, dim]</param>
    public void Queries(float* queries, int rows) => WholeNumberMultiply.NarrowRows(queries, rows, _dim, _queries, _queryUnits);

    /// <param name="keysTransposed">[dim, tileKeys]</param>
    /// <param name="values">[count, paddedDim]</param>
    public void Load(float* keysTransposed, float* values, int count)
    {
        WholeNumberMultiply.NarrowPanel(keysTransposed, _tileKeys, _dim, _tileKeys, _keys, _keyUnits);
        WholeNumberMultiply.NarrowPanel(values, _paddedDim, count, _paddedDim, _values, _valueUnits);
    }

    /// <summary>Logits of rows [row, row + some) of the queries.</summary>
    /// <param name="logits">[some, tileKeys]</param>
    public void Score(int row, int some, float* logits)
        => WholeNumberMultiply.Multiply(
            _queries + row * _queryStride, _queryStride, _queryUnits + row, _keys, _keyUnits, logits, _tileKeys, some, WholeNumberMultiply.Pairs(_dim), _tileKeys, false);

    /// <summary>Logits of the row at one of <see cref="Together"/> places become weights: <see cref="OnlineSoftmax.Step"/>.</summary>
    /// <param name="logits">[tileKeys]</param>
    public float Step(int place, float* logits, ref float reference, float* laneSums)
        => OnlineSoftmax.StepNarrow(logits, _tileKeys, ref reference, laneSums, _weights + place * _tileKeys, _weightUnits + place);

    /// <summary>Adds the values of the tile, weighted by rows that have been through <see cref="Step"/>.</summary>
    /// <param name="some">Rows, at most <see cref="Together"/>.</param>
    /// <param name="count">Keys of the tile; the weights of others are 0.</param>
    /// <param name="output">[some, paddedDim]</param>
    public void AddValues(int some, int count, float* output)
        => WholeNumberMultiply.Multiply(
            _weights, _tileKeys, _weightUnits, _values, _valueUnits, output, _paddedDim, some, WholeNumberMultiply.Pairs(count), _paddedDim, true);
}
