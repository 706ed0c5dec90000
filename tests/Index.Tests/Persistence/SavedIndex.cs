using Retrieval.TestKit;

namespace Retrieval.Index.Tests.Persistence;

/// <summary>One index of each kind and state, with ways to save it, load it and see what it finds.</summary>
internal sealed unsafe class SavedIndex
{
    private const int Dim = 16;
    private const int Group = 3;
    private static readonly IvfPqOptions Options = new() { SegmentRows = 48, RowsPerList = 6 };
    private static readonly MemoryRows Rows = new(RandomData.Normal(400 * Dim, 1), Dim);
    private static readonly float[] Queries = RandomData.Normal(Group * Dim, 2);

    public static readonly string[] Names = ["flat", "pages", "pages-empty", "ivf-pq", "ivf-pq-empty", "keys", "keys-tail-only"];

    private readonly object _index;

    private SavedIndex(object index) => _index = index;

    public static SavedIndex Build(string name) => new(name switch
    {
        "flat" => Filled(new FlatIndex(Rows, 7), 100),
        "pages" => Filled(new PageIndex(Rows, 3, 4), 61),
        "pages-empty" => new PageIndex(Rows),
        "ivf-pq" => IvfPqIndex.Build(Rows, Rows, 5, 140, Moments(), Options),
        "ivf-pq-empty" => IvfPqIndex.Prepare(Rows, Rows, 5, 140, Moments(), Options),
        "keys" => Filled(Keys(), 2 * 48 + 11),
        "keys-tail-only" => Filled(Keys(), 47),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    });

    public static SavedIndex Load(string name, Stream stream, int dim = Dim, int available = 400)
    {
        MemoryRows rows = dim == Dim ? Rows : new MemoryRows(new float[available * dim], dim);
        return new SavedIndex(name.Split('-')[0] switch
        {
            "flat" => FlatIndex.Load(stream, rows, available),
            "pages" => PageIndex.Load(stream, rows, available),
            "keys" => IvfPqKeyIndex.Load(stream, rows, available),
            _ => IvfPqIndex.Load(stream),
        });
    }

    public static SavedIndex Load(string name, byte[] file) => Load(name, new MemoryStream(file));

    public byte[] Save()
    {
        using var stream = new MemoryStream();
        Action<Stream> save = _index switch
        {
            FlatIndex flat => flat.Save,
            PageIndex pages => pages.Save,
            IvfPqKeyIndex keys => keys.Save,
            IvfPqIndex lists => lists.Save,
            _ => throw new InvalidOperationException(),
        };
        save(stream);
        return stream.ToArray();
    }

    /// <summary>What a search gives, as text: hits, or the output of the cascade.</summary>
    public string Search()
    {
        if (_index is IvfPqIndex lists)
            return Cascade(lists);
        var hits = new Hit[30];
        return string.Join(' ', hits[..((IKeyIndex)_index).Search(Queries, hits.Length, hits)]);
    }

    /// <summary>Grows, shrinks and searches again.</summary>
    public string AppendAndSearch()
    {
        if (_index is not IKeyIndex index)
            return Search();
        index.Append(90);
        string grown = Search();
        index.Truncate(index.Count - 51);
        return $"{grown} {index.Count} {Search()}";
    }

    /// <summary>The packed rows need not belong to the index: only that the same bytes give the same attention matters.</summary>
    private static string Cascade(IvfPqIndex index)
    {
        using var memory = new GuardedMemory<byte>((int)PackedRows.Bytes(400, Dim, halves: true));
        var packed = new PackedRows((nint)memory.Pointer, Dim, Halves: true);
        float[] key = new float[Dim], value = new float[Dim];
        fixed (float* keyPointer = key, valuePointer = value)
        {
            for (int i = 0; i < 400; i++)
            {
                Rows.Values.AsSpan(i * Dim, Dim).CopyTo(key);
                for (int j = 0; j < Dim; j++)
                    value[j] = key[j] * (i * Dim + j) % 7;
                packed.Write(i, keyPointer, valuePointer);
            }
        }
        PackedRows[] rows = [.. index.Segments.Select(_ => packed)];
        var found = new System.Text.StringBuilder();
        float* output = stackalloc float[Group * Dim], logSumExp = stackalloc float[Group];
        var resident = new ResidentAttention(new float[Group * Dim], [1, 0, float.NegativeInfinity]);
        foreach (float maxError in (float[])[0, 0.1f])
        {
            if (rows.Length == 0)
                break;
            new Cascade().Run(index, rows, Queries, resident, new CascadeBudget(80, 20, 10) { MaxError = maxError }, output, logSumExp);
            found.AppendJoin(' ', new Span<float>(output, Group * Dim).ToArray()).Append(' ').AppendJoin(' ', new Span<float>(logSumExp, Group).ToArray());
        }
        return found.ToString();
    }

    private static IvfPqKeyIndex Keys() => new(Rows, Moments(), Options, 5) { KeysPerHit = 2, LeastKeys = 1 };

    private static IKeyIndex Filled(IKeyIndex index, int count)
    {
        index.Append(count);
        return index;
    }

    private static QueryMoments Moments()
    {
        var moments = new QueryMoments(Dim);
        moments.Add(RandomData.Normal(50 * Dim, 3));
        return moments;
    }
}
