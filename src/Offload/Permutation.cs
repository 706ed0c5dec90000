namespace Retrieval.Offload;

/// <summary>Orders of rows that come from outside the store.</summary>
internal static class Permutation
{
    /// <summary>Throws unless there is a permutation of 0 … count − 1 for each head.</summary>
    public static void Check(ushort[][] orders, int heads, int count)
    {
        if (orders.Length != heads)
            throw new ArgumentException($"There are orders for {orders.Length} heads and the store has {heads}.");
        var seen = new bool[count];
        for (int head = 0; head < heads; head++)
        {
            Array.Clear(seen);
            if (orders[head].Length != count)
                throw new ArgumentException($"The order of head {head} names {orders[head].Length} rows instead of {count}.");
            foreach (ushort row in orders[head])
            {
                if (row >= count || seen[row])
                    throw new ArgumentException($"The order of head {head} names row {row} of {count} rows twice or out of range; it must be a permutation.");
                seen[row] = true;
            }
        }
    }
}
