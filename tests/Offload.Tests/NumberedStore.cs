using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Offload.Tests;

/// <summary>A store of numbered rows: element e of row r and head h is a value that names all three.</summary>
internal sealed unsafe class NumberedStore : IDisposable
{
    public const int KvHeads = 2;
    public const int HeadDim = 8;

    static NumberedStore() => LibtorchLoader.Load();

    public KvStore Store { get; } = new(new KvLayout(2, KvHeads, HeadDim));

    /// <summary>Exact in 16 bits.</summary>
    public static float Key(int row, int head, int element) => row % 500 * 4 + head * 2 + (element == 0 ? row / 500 % 2 : 0);

    public static float Value(int row, int head, int element) => -Key(row, head, element);

    /// <summary>[count, kvHeads * headDim] for rows from <paramref name="first"/> on.</summary>
    public static torch.Tensor Rows(int first, int count, Func<int, int, int, float> element)
    {
        var values = new float[count * KvHeads * HeadDim];
        for (int i = 0; i < values.Length; i++)
            values[i] = element(first + i / (KvHeads * HeadDim), i / HeadDim % KvHeads, i % HeadDim);
        return torch.tensor(values, [count, KvHeads * HeadDim]);
    }

    /// <summary>[kvHeads, count, headDim], float16.</summary>
    public static torch.Tensor ByHead(torch.Tensor rows)
        => rows.view(-1, KvHeads, HeadDim).transpose(0, 1).to(torch.ScalarType.Float16);

    public void Append(KvTransfer transfer, int layer, int count)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        int first = Store.Length(layer);
        transfer.Append(Store, layer, Rows(first, count, Key), Rows(first, count, Value), count);
    }

    public void Dispose() => Store.Dispose();
}
