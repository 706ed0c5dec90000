using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Last level of the cascade: the weighted sum of values, of which only some are read. Each list's unread mass takes the list's
/// mean value, corrected twice, because rows that attract a query are not like the others of their list:
/// <list type="bullet">
/// <item>towards the rows of the list that were read, weighted as they are, by n / (n + <see cref="Prior"/>) for n of them;</item>
/// <item>by xᵀ Cov(y, v), the shift of the mean under weights exp(x · y) if residual keys y and values v are jointly normal: in
/// full in lists that were not opened, in part where the heaviest rows have been taken out.</item>
/// </list>
/// </summary>
internal sealed unsafe class ListEstimate
{
    // All three measured on four real heads (docs/log.md); the minimum is flat.
    private const float Prior = 6;
    private const float OpenedTilt = 0.25f;

    // A list whose mass is a millionth of the attention cannot move the output by a rounding error of its rows.
    private const float Negligible = 1e-6f;

    private float[] _tile = [], _tileWeights = [], _shift = [], _sum = [], _tilt = [], _listMass = [];
    private int[] _wanted = [];
    private int _dim, _group, _filled;
    private float* _output;

    /// <summary>Lists whose mean value was read.</summary>
    public int MeansRead { get; private set; }

    /// <param name="x">[group, dim], queries in the codec's coordinates.</param>
    /// <param name="output">[group, dim]</param>
    public void Begin(IvfPqCodec codec, float* x, int group, float* output)
    {
        (_dim, _group, _filled, MeansRead) = (codec.Dim, group, 0, 0);
        _output = output;
        _tile = _tile.Length < PackedRows.TileRows * _dim ? new float[PackedRows.TileRows * _dim] : _tile;
        _tileWeights = _tileWeights.Length < PackedRows.TileRows * group ? new float[PackedRows.TileRows * group] : _tileWeights;
        _shift = _shift.Length < group * _dim ? new float[group * _dim] : _shift;
        _sum = _sum.Length < group ? new float[group] : _sum;
        _tilt = _tilt.Length < group ? new float[group] : _tilt;
        _sum.AsSpan(0, group).Clear();
        _tilt.AsSpan(0, group).Clear();
        new Span<float>(output, group * _dim).Clear();
        fixed (float* covariance = codec.ValueCovariance, shift = _shift)
            PanelMultiply.Multiply(x, _dim, covariance, _dim, shift, _dim, group, _dim, _dim, false);
    }

    /// <summary>Adds the values of the chosen rows and takes their weights, and what they speak for, out of their lists' masses.</summary>
    /// <param name="mass">[group, lists]</param>
    public void AddRows(IvfPqIndex index, ReadOnlySpan<PackedRows> rows, ChosenRows chosen, float[] mass, int lists)
    {
        float* factor = stackalloc float[_group];
        var cursor = new SegmentCursor(index);
        for (int first = 0, end; first < chosen.Count; first = end)
        {
            int list = chosen.List(first);
            for (end = first + 1; end < chosen.Count && chosen.List(end) == list;)
                end++;
            cursor.MoveTo(list);
            bool all = end - first == cursor.Rows;
            float share = (end - first) / (end - first + Prior);
            for (int g = 0; g < _group; g++)
            {
                float read = 0;
                for (int i = first; i < end; i++)
                    read += chosen.Weight(g, i);
                ref float rest = ref mass[g * lists + list];
                rest = all ? 0 : MathF.Max(rest - read, 0);
                float lent = read > 0 ? share * rest : 0;
                // Where all that was read weighs next to nothing, the ratio may be beyond a float although its products are not.
                factor[g] = MathF.Min(lent / MathF.Max(read, float.Epsilon), float.MaxValue / 2);
                rest -= lent;
            }
            for (int i = first; i < end; i++)
            {
                rows[cursor.Index].ReadValue(chosen.Place(i), ref _tile[_filled * _dim]);
                for (int g = 0; g < _group; g++)
                {
                    float weight = chosen.Weight(g, i);
                    _sum[g] += _tileWeights[g * PackedRows.TileRows + _filled] = weight + weight * factor[g];
                }
                Advance();
            }
        }
    }

    /// <summary>Adds the lists' masses, times their mean values.</summary>
    /// <param name="opened">Numbers of the lists whose masses come from codes, ascending.</param>
    public void AddLists(IvfPqIndex index, float[] mass, int lists, ReadOnlySpan<int> opened)
    {
        _listMass = _listMass.Length < lists ? new float[lists] : _listMass;
        _wanted = _wanted.Length < lists ? new int[lists] : _wanted;
        Span<float> all = _listMass.AsSpan(0, lists);
        all.Clear();
        for (int g = 0; g < _group; g++)
        {
            ReadOnlySpan<float> shares = mass.AsSpan(g * lists, lists);
            TensorPrimitives.Add(all, shares, all);
            float sum = TensorPrimitives.Sum(shares), inOpened = 0;
            foreach (int list in opened)
                inOpened += shares[list];
            _sum[g] += sum;
            _tilt[g] += sum - (1 - OpenedTilt) * inOpened;
        }
        MeansRead = 0;
        int first = 0;
        fixed (float* total = all, weights = mass)
        fixed (int* wanted = _wanted)
        {
            foreach (IvfPqSegment segment in index.Segments)
            {
                int count = ScoreThreshold.Collect(total + first, segment.Lists, Negligible, wanted);
                fixed (float* scales = segment.Values.MeanScale)
                    WeightedByteRows.Accumulate((sbyte*)segment.Values.Means.Pointer, scales, wanted, count, _dim, weights + first, lists, _group, _output);
                MeansRead += count;
                first += segment.PaddedLists;
            }
        }
    }

    /// <summary>Divides by the sum of weights.</summary>
    /// <param name="total">[group], logarithm of what weights are relative to.</param>
    public void Finish(float* total, float* logSumExp)
    {
        Flush();
        for (int g = 0; g < _group; g++)
        {
            Span<float> output = new(_output + g * _dim, _dim);
            if (_sum[g] > 0)
            {
                TensorPrimitives.MultiplyAdd(_shift.AsSpan(g * _dim, _dim), _tilt[g], output, output);
                TensorPrimitives.Multiply(output, 1 / _sum[g], output);
            }
            logSumExp[g] = _sum[g] > 0 ? total[g] + MathF.Log(_sum[g]) : float.NegativeInfinity;
        }
    }

    private void Advance()
    {
        if (++_filled == PackedRows.TileRows)
            Flush();
    }

    private void Flush()
    {
        fixed (float* tile = _tile, weights = _tileWeights)
            TileWeightedSum.Accumulate(tile, _filled, _dim, weights, PackedRows.TileRows, _group, _output);
        _filled = 0;
    }
}
