using Retrieval.Index;

namespace Retrieval.Offload;

/// <summary>The keys of one layer and KV head of a store, as an index reads them: as they are packed.</summary>
public sealed class KvKeyRows(KvStore store, int layer, int head) : IKeyRows
{
    public int Dim => store.Layout.HeadDim;

    public unsafe void Read(int first, int count, float* destination) => store.ReadPackedKeys(layer, head, first, count, destination);
}
