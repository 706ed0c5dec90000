using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>
/// Orders the lists of a segment so that the sixteen of a panel are similar, and a panel can stand for them: halves, cut across the direction in
/// which centres spread most, and halves of these.
/// </summary>
internal static class ListOrder
{
    private const int Panel = ListTable.PanelLists;

    // Of the power method: any direction in which centres spread widely will do.
    private const int Iterations = 8;

    /// <param name="lists">Numbers of centres, in any order; sorted.</param>
    /// <param name="centres">[all, dim]</param>
    public static void Sort(Span<int> lists, ReadOnlySpan<float> centres, int dim)
    {
        if (lists.Length <= Panel)
            return;
        var along = new float[lists.Length];
        float[] direction = WidestDirection(lists, centres, dim);
        for (int i = 0; i < lists.Length; i++)
            along[i] = TensorPrimitives.Dot(centres.Slice(lists[i] * dim, dim), direction);
        along.AsSpan().Sort(lists);
        // Whole panels, so that only the segment's last one has padding.
        int half = (lists.Length / 2 + Panel - 1) / Panel * Panel;
        Sort(lists[..half], centres, dim);
        Sort(lists[half..], centres, dim);
    }

    /// <summary>About the first principal axis.</summary>
    private static float[] WidestDirection(ReadOnlySpan<int> lists, ReadOnlySpan<float> centres, int dim)
    {
        float[] mean = new float[dim], squares = new float[dim], direction = new float[dim], next = new float[dim], offset = new float[dim];
        foreach (int list in lists)
            TensorPrimitives.Add(mean, centres.Slice(list * dim, dim), mean);
        TensorPrimitives.Divide(mean, lists.Length, mean);
        foreach (int list in lists)
        {
            TensorPrimitives.Subtract(centres.Slice(list * dim, dim), mean, offset);
            TensorPrimitives.MultiplyAdd(offset, offset, squares, squares);
        }
        direction[TensorPrimitives.IndexOfMax<float>(squares)] = 1;
        for (int i = 0; i < Iterations; i++)
        {
            Array.Clear(next);
            foreach (int list in lists)
            {
                TensorPrimitives.Subtract(centres.Slice(list * dim, dim), mean, offset);
                TensorPrimitives.MultiplyAdd(offset, TensorPrimitives.Dot<float>(offset, direction), next, next);
            }
            float length = TensorPrimitives.Norm<float>(next);
            // All the same, or so far apart that squares are no floats.
            if (!(length > 0) || !float.IsFinite(length))
                break;
            TensorPrimitives.Divide(next, length, direction);
        }
        return direction;
    }
}
