using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Models;

namespace Retrieval.Scenarios.Frontier;

/// <summary>
/// Real queries, keys and values of one layer and KV head, and the attention that test queries should see. The first
/// <see cref="Sinks"/> tokens and everything from the last <see cref="Window"/> on are attended to exactly and cost nothing;
/// methods are measured on the far rows between.
/// </summary>
internal sealed unsafe class QkvFile : IDisposable
{
    public const int Sinks = 64;

    /// <summary>Test queries stand in the last 512 tokens, and each has at least 512 before it.</summary>
    public const int Window = 1024;

    // Full attention from the same rows in another order of addition differs by far less; another scale or mask by far more.
    private const float Agreement = 2e-3f;

    private readonly float[] _keys, _values;

    private QkvFile(string path, SafetensorsFile file)
    {
        Name = Path.GetFileNameWithoutExtension(path);
        var reader = new QkvReader(path, file);
        (int tokens, Dim) = reader.Rows("k");
        _keys = reader.Halves("k", [tokens, Dim]);
        _values = reader.Halves("v", [tokens, Dim]);
        FarCount = tokens - Window - Sinks;
        if (FarCount < 1)
            throw new InputException($"{path} has {tokens:N0} tokens; sinks and window take {Sinks + Window:N0} of them, and there must be some between.");
        (int prompt, Group) = reader.Rows("prompt_queries");
        Moments = new QueryMoments(Dim);
        float[] promptQueries = reader.Halves("prompt_queries", [prompt, Group, Dim]);
        Moments.Add(promptQueries);
        Store = CreateStore(RowFormat.F16);
        Calibration = Calibrate(reader.Integers("prompt_positions"), promptQueries);
        int[] positions = reader.Integers("test_positions");
        float[] queries = reader.Halves("test_queries", [positions.Length, Group, Dim]);
        float[] outputs = reader.Floats("test_outputs", [positions.Length, Group, Dim]);
        int width = Group * Dim;
        Queries = [.. positions.Select((position, i) => position >= FarEnd && position < tokens
            ? new TestQuery(this, position, queries.AsSpan(i * width, width), outputs[(i * width)..((i + 1) * width)])
            : throw new InputException($"{path} has a test query at {position:N0}; test queries must stand in the window, from {FarEnd:N0} to {tokens - 1:N0}."))];
    }

    public string Name { get; }

    public int Dim { get; }

    /// <summary>Query heads that share the KV head.</summary>
    public int Group { get; }

    public int FarCount { get; }

    public int FarEnd => Sinks + FarCount;

    /// <summary>Bytes of the far keys and values at 16 bits an element: what shares are relative to.</summary>
    public long FarBytes => FarCount * 2L * sizeof(ushort) * Dim;

    /// <summary>The prompt's own queries; test queries have no part in them.</summary>
    public QueryMoments Moments { get; }

    /// <summary>Prompt queries that stand after all far rows, with their exact attention.</summary>
    public ErrorCalibration Calibration { get; }

    /// <summary>All rows, 16-bit, in order of position.</summary>
    public KvStore Store { get; }

    public IReadOnlyList<TestQuery> Queries { get; }

    /// <exception cref="InputException">The file is missing, breaks the format, or its outputs are not the attention over its rows.</exception>
    public static QkvFile Open(string path)
    {
        using var file = SafetensorsFile.OpenSingle(path);
        var result = new QkvFile(path, file);
        float worst = result.FullAttentionError();
        if (worst <= Agreement)
            return result;
        result.Dispose();
        throw new InputException($"{path}: full attention differs from test_outputs by {worst:G3}, and {Agreement:G3} is allowed; the file is damaged or of another protocol.");
    }

    /// <summary>[FarCount, Dim]</summary>
    public ReadOnlySpan<float> FarKeys => _keys.AsSpan(Sinks * Dim, FarCount * Dim);

    /// <summary>[FarCount, Dim]</summary>
    public ReadOnlySpan<float> FarValues => _values.AsSpan(Sinks * Dim, FarCount * Dim);

    /// <summary>A store of its own with all rows, which a method may pack.</summary>
    public KvStore CreateStore(RowFormat format)
    {
        var store = new KvStore(new KvLayout(1, 1, Dim, format));
        fixed (float* keys = _keys, values = _values)
            store.Append(0, keys, values, _keys.Length / Dim);
        return store;
    }

    public void Dispose() => Store.Dispose();

    private ErrorCalibration Calibrate(int[] positions, float[] queries)
    {
        // As many as the product takes.
        const int Samples = 32;
        var calibration = new ErrorCalibration(Dim);
        int width = Group * Dim;
        int[] after = [.. Enumerable.Range(0, positions.Length).Where(i => positions[i] >= FarEnd)];
        var far = new PartialMemory(Group, Dim);
        for (int s = 0; s < Math.Min(Samples, after.Length); s++)
        {
            int i = after[(int)((long)s * after.Length / Math.Min(Samples, after.Length))];
            var query = new TestQuery(this, positions[i], queries.AsSpan(i * width, width), []);
            HostAttention.Attend(Store, 0, 0, Sinks, FarEnd, query.Scaled, far.Partial);
            calibration.Add(query.Queries, query.Resident, query.MergedWith(far.Partial));
        }
        return calibration;
    }

    /// <summary>Largest error of exact attention in the same two parts that methods are measured in.</summary>
    private float FullAttentionError()
    {
        var far = new PartialMemory(Group, Dim);
        float[] errors = new float[Group];
        float worst = 0;
        foreach (TestQuery query in Queries)
        {
            HostAttention.Attend(Store, 0, 0, Sinks, FarEnd, query.Scaled, far.Partial);
            query.Errors(far.Partial, errors);
            worst = Math.Max(worst, errors.Max());
        }
        return worst;
    }
}
