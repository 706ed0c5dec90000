using Retrieval.Index;

namespace Retrieval.Offload;

/// <summary>The values of one layer and KV head of a store, as an index reads them.</summary>
public sealed class KvValueRows(KvStore store, int layer, int head) : IKeyRows
{
    public int Dim => store.Layout.HeadDim;

    public unsafe void Read(int first, int count, float* destination) => store.ReadValues(layer, head, first, count, destination);
}
