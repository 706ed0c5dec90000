using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>The queries of one token of a block, and what the block knows about them.</summary>
/// <param name="queries">[group, dim], scaled.</param>
/// <param name="x">[group, dim], in the codec's coordinates.</param>
/// <param name="logits">[group, stride]: logits of the lists' centres.</param>
/// <param name="mass">[group, stride]: shares of the lists in the whole attention; what remains unread is left in them.</param>
/// <param name="total">[group]: logarithm of what shares are relative to.</param>
internal readonly unsafe ref struct TokenQueries(float* queries, float* x, float* logits, float* mass, float* total)
{
    public readonly float* Queries = queries, X = x, Logits = logits, Mass = mass, Total = total;
}

/// <summary>What a token of a <see cref="BlockCascade"/> does by itself: opens lists, reads their codes, and reads the rows that matter.</summary>
internal sealed unsafe class TokenSearch
{
    // Lists whose codes are asked for before they are read: those of all that a sharp head opens would not fit into a cache.
    private const int Ahead = 16;

    // As in ListEstimate, where they are explained.
    private const float Prior = 6, OpenedTilt = 0.25f;

    private readonly PinnedMemory<float> _weights = new(), _groupWeights = new(), _worth = new(), _codeWeights = new(), _rowWeights = new(), _sums = new(), _shifts = new();
    private readonly PinnedMemory<nint> _codes = new();
    private readonly PinnedMemory<int> _opened = new(), _openedStart = new(), _listRows = new(), _worthy = new(), _chosen = new(), _chosenList = new();
    private readonly PinnedMemory<PackedRow> _chosenRows = new();
    private readonly PinnedMemory<byte> _tables = new();
    private PackedRows[] _rows = [];
    private IvfPqIndex _index = null!;
    private int _dim, _group, _stride, _openedCount, _openedRows, _chosenCount;

    public void Begin(IvfPqIndex index, ReadOnlySpan<PackedRows> rows, int group, int stride)
    {
        (_index, _dim, _group, _stride) = (index, index.Codec.Dim, group, stride);
        if (_rows.Length < rows.Length)
            _rows = new PackedRows[rows.Length];
        rows.CopyTo(_rows);
        _opened.Grow(stride);
        _openedStart.Grow(stride + 1);
        _listRows.Grow(stride);
        _codes.Grow(stride);
        _tables.Grow(group * CodeScan.TableBytes(index.Codec.Quantizer.Subspaces));
    }

    /// <summary>Searches and adds the values of the rows that were read.</summary>
    /// <param name="scores">[stride]: which lists are worth opening.</param>
    /// <param name="sizes">[stride]: rows of each list.</param>
    /// <param name="output">[group, dim], added to.</param>
    /// <param name="sum">[group], receives the sum of all weights.</param>
    /// <param name="tilt">[group], receives how much of the shift by Cov(y, v) the rest takes.</param>
    public void Run(in TokenQueries token, float* scores, float* sizes, BlockBudget budget, float* output, float* sum, float* tilt)
    {
        Open(scores, sizes, budget);
        ScanCodes(token);
        Choose(budget);
        new Span<float>(sum, _group).Clear();
        ReadRows(token, 1 - budget.QuietDiscount, output, sum);
        for (int g = 0; g < _group; g++)
        {
            float* mass = token.Mass + (long)g * _stride;
            Promises.Scale(new Span<float>(mass, _stride), 1 - budget.QuietDiscount);
            float rest = CodeWeights.Sum(mass, _stride), inOpened = 0;
            for (int i = 0; i < _openedCount; i++)
                inOpened += mass[_opened.Pointer[i]];
            sum[g] += rest;
            tilt[g] = rest - (1 - OpenedTilt) * inOpened;
        }
    }

    /// <summary>Chooses the lists of largest score and lays out their rows in the scratch memory.</summary>
    private void Open(float* scores, float* sizes, BlockBudget budget)
    {
        _openedCount = ScoreThreshold.Collect(scores, _stride, ErrorTarget.Threshold(scores, sizes, _stride, budget.Opened, null, budget.ListShare), _opened.Pointer);
        int start = 0, blockBytes = CodeScan.BlockBytes(_index.Codec.Quantizer.Subspaces);
        var cursor = new SegmentCursor(_index);
        for (int i = 0; i < _openedCount; i++)
        {
            cursor.MoveTo(_opened.Pointer[i]);
            (_openedStart.Pointer[i], _listRows.Pointer[i]) = (start, cursor.Rows);
            _codes.Pointer[i] = (nint)cursor.Segment.Codes.Pointer + (nint)cursor.Segment.BlockStarts[cursor.List] * blockBytes;
            start += CodeScan.Blocks(cursor.Rows) * CodeScan.BlockRows;
            if (i < Ahead)
                PrefetchCodes(i);
        }
        _openedStart.Pointer[_openedCount] = _openedRows = start;
    }

    /// <summary>Weights of the opened rows from their codes; their sums replace the lists' masses.</summary>
    private void ScanCodes(in TokenQueries token)
    {
        float* weights = _weights.Grow((long)_group * _openedRows), groupWeights = _groupWeights.Grow(Math.Max(1, _openedRows)), sums = _sums.Grow((long)_group * _openedCount);
        float* shifts = _shifts.Grow((long)_group * _openedCount);
        float* offset = stackalloc float[_group], scale = stackalloc float[_group], moved = stackalloc float[_group];
        CodeTables.Build(_index.Codec, token.X, _group, MathF.Log(Math.Max(_openedRows, 1)), _tables.Pointer, offset, scale);
        for (int i = 0; i < _openedCount; i++)
        {
            for (int g = 0; g < _group; g++)
                shifts[i * _group + g] = token.Logits[(long)g * _stride + _opened.Pointer[i]] + offset[g] - token.Total[g];
        }
        // Weights of a head that is not sharp are floats but for rare surprises, as in CodeLevel.
        if (_index.Codec.Sharp || WeighCodes(scale, token.Total, moved))
        {
            ScanLogits(scale);
            for (int g = 0; g < _group && _openedRows > 0 && _index.Codec.Sharp; g++)
                moved[g] = Promises.Move(CodeWeights.Largest(weights + (long)g * _openedRows, _openedRows), sharp: true, ref token.Total[g]);
            CodeWeights.Compute(weights, _openedRows, _openedStart.Pointer, _openedCount, _group, moved, weights, _openedRows, groupWeights, sums);
        }
        for (int g = 0; g < _group && _openedCount > 0; g++)
            ReplaceMasses(token.Mass + (long)g * _stride, g, moved[g]);
    }

    /// <summary>Weights of the opened rows, without a way through memory for logits.</summary>
    /// <param name="total">[group]: moved where the weights could not be floats.</param>
    /// <param name="moved">[group], receives how far.</param>
    /// <returns>Were some moved? Then the weights are not what they must be.</returns>
    private bool WeighCodes(float* scale, float* total, float* moved)
    {
        float* largest = stackalloc float[_group];
        new Span<float>(largest, _group).Fill(float.NegativeInfinity);
        for (int first = 0; first < _openedCount; first += Ahead)
        {
            int some = Math.Min(Ahead, _openedCount - first), start = _openedStart.Pointer[first];
            for (int i = first + some; i < Math.Min(first + some + Ahead, _openedCount); i++)
                PrefetchCodes(i);
            ScannedWeights.Compute(
                _codes.Pointer + first, _listRows.Pointer + first, some, _index.Codec.Quantizer.Subspaces, _tables.Pointer, _group, _shifts.Pointer + first * _group, scale,
                _weights.Pointer + start, _openedRows, _groupWeights.Pointer + start, _sums.Pointer + first * _group, largest);
        }
        bool any = false;
        for (int g = 0; g < _group; g++)
            any |= (moved[g] = Promises.Move(largest[g], sharp: false, ref total[g])) != 0;
        return any;
    }

    private void ScanLogits(float* scale)
    {
        for (int i = 0; i < _openedCount; i++)
        {
            if (i + Ahead < _openedCount)
                PrefetchCodes(i + Ahead);
            CodeScan.Logits(
                (byte*)_codes.Pointer[i], _listRows.Pointer[i], _index.Codec.Quantizer.Subspaces, _tables.Pointer, _group, _shifts.Pointer + i * _group, scale,
                _weights.Pointer + _openedStart.Pointer[i], _openedRows);
        }
    }

    /// <summary>Asks the memory for the codes of an opened list.</summary>
    private void PrefetchCodes(int opened)
    {
        var codes = (byte*)_codes.Pointer[opened];
        CacheLines.Prefetch(codes, codes + CodeScan.Blocks(_listRows.Pointer[opened]) * CodeScan.BlockBytes(_index.Codec.Quantizer.Subspaces));
    }

    private void ReplaceMasses(float* mass, int g, float moved)
    {
        float promised = 0, found = 0;
        for (int i = 0; i < _openedCount; i++)
        {
            promised += mass[_opened.Pointer[i]];
            found += _sums.Pointer[i * _group + g];
        }
        Promises.Scale(new Span<float>(mass, _stride), Promises.Correction(promised, CodeWeights.Sum(mass, _stride), found, moved));
        for (int i = 0; i < _openedCount; i++)
            mass[_opened.Pointer[i]] = _sums.Pointer[i * _group + g];
    }

    /// <summary>Chooses the rows of largest weight.</summary>
    private void Choose(BlockBudget budget)
    {
        int most = Math.Min(budget.Rows, _openedRows);
        int* chosen = _chosen.Grow(_openedRows), lists = _chosenList.Grow(most);
        PackedRow* rows = _chosenRows.Grow(most);
        // Few of many are worth reading; the search for a threshold goes many times over those alone.
        int* worthy = _worthy.Grow(_openedRows);
        float* worth = _worth.Grow(_openedRows);
        int count = ScoreThreshold.Take(_groupWeights.Pointer, _openedRows, MathF.Max(budget.RowShare, float.Epsilon), 0, worthy, worth);
        _chosenCount = ScoreThreshold.Collect(worth, count, count <= most ? 0 : ScoreThreshold.ForBudget(worth, null, count, most), chosen);
        _codeWeights.Grow((long)_group * _chosenCount);
        var cursor = new SegmentCursor(_index);
        PackedRows packed = default;
        for (int i = 0, list = -1, end = 0, first = 0; i < _chosenCount; i++)
        {
            chosen[i] = worthy[chosen[i]];
            while (chosen[i] >= end)
            {
                end = _openedStart.Pointer[++list + 1];
                cursor.MoveTo(_opened.Pointer[list]);
                (packed, first) = (_rows[cursor.Index], cursor.FirstPlace - _openedStart.Pointer[list]);
            }
            lists[i] = list;
            rows[i] = packed[first + chosen[i]];
            rows[i].Prefetch(_dim);
        }
    }

    /// <summary>Exact weights of the chosen rows, taken out of their lists' masses, and their values.</summary>
    private void ReadRows(in TokenQueries token, float quietWeight, float* output, float* sum)
    {
        int padded = (_chosenCount + PackedRows.TileRows - 1) / PackedRows.TileRows * PackedRows.TileRows;
        float* exact = _rowWeights.Grow((long)_group * padded);
        SingleRows.Score(_chosenRows.Pointer, _chosenCount, _dim, token.Queries, _group, exact, padded);
        for (int g = 0; g < _group && _chosenCount > 0; g++)
            Replace(token, g, new Span<float>(exact + (long)g * padded, _chosenCount));
        for (int g = 0; g < _group; g++)
            sum[g] += Lend(token.Mass + (long)g * _stride, CodeWeightsOf(g), exact + (long)g * padded, quietWeight);
        SingleRows.Add(_chosenRows.Pointer, _chosenCount, _dim, exact, padded, _group, output);
    }

    /// <summary>Logits of one query for the chosen rows become their weights, and what their codes promised is known.</summary>
    private void Replace(in TokenQueries token, int g, Span<float> exact)
    {
        TensorPrimitives.Subtract(exact, token.Total[g], exact);
        float moved = Recentre(exact, ref token.Total[g]), found;
        fixed (float* logits = exact)
            found = VectorExp.Shares(logits, exact.Length, 0);
        float* mass = token.Mass + (long)g * _stride, own = CodeWeightsOf(g);
        float* weights = _weights.Pointer + (long)g * _openedRows;
        for (int i = 0; i < _chosenCount; i++)
            own[i] = weights[_chosen.Pointer[i]];
        float factor = Promises.Correction(CodeWeights.Sum(own, _chosenCount), CodeWeights.Sum(mass, _stride), found, moved);
        Promises.Scale(new Span<float>(own, _chosenCount), factor);
        Promises.Scale(new Span<float>(mass, _stride), factor);
    }

    /// <summary>Of what remains of a list's mass a part goes to the rows that were read, in proportion to their weights.</summary>
    /// <param name="promised">[chosen rows]: weights that their codes gave them, a part of their lists' masses.</param>
    /// <param name="exact">[chosen rows]: weights, quiet ones not yet reduced.</param>
    /// <returns>The sum of what the rows weigh now.</returns>
    private float Lend(float* mass, float* promised, float* exact, float quietWeight)
    {
        float sum = 0;
        for (int first = 0, end; first < _chosenCount; first = end)
        {
            // A few rows of a list: loops over so little are faster than calls.
            int list = _chosenList.Pointer[first], number = _opened.Pointer[list];
            float heard = 0, taken = 0;
            for (end = first; end < _chosenCount && _chosenList.Pointer[end] == list; end++)
            {
                heard += exact[end] *= exact[end] < Promises.Loud ? quietWeight : 1;
                taken += promised[end];
            }
            float rest = MathF.Max(mass[number] - taken, 0);
            float lent = heard > 0 ? (end - first) / (end - first + Prior) * rest : 0;
            float factor = 1 + MathF.Min(lent * quietWeight / MathF.Max(heard, float.Epsilon), float.MaxValue / 2);
            for (int i = first; i < end; i++)
                exact[i] *= factor;
            mass[number] = rest - lent;
            sum += heard + lent * quietWeight;
        }
        return sum;
    }

    /// <summary>[chosen rows]: weights of one query from codes.</summary>
    private float* CodeWeightsOf(int g) => _codeWeights.Pointer + (long)g * _chosenCount;

    private float Recentre(Span<float> logits, ref float total)
    {
        fixed (float* pointer = logits)
            return Promises.Recentre(logits, CodeWeights.Largest(pointer, logits.Length), _index.Codec.Sharp, ref total);
    }
}
