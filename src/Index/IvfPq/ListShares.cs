using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>What lists are chosen by: the share of the attention that each is expected to have.</summary>
internal static unsafe class ListShares
{
    // Nats between the largest and the least mass of lists; beyond it shares underflow.
    private const float WidestRange = 80;

    private const int Lanes = ListTable.PanelLists;

    /// <summary>
    /// One query's masses become shares of its whole attention, which are added to the lists' scores. Of a head so sharp that most
    /// shares would be 0, scores have the same order, in a range that floats can tell apart.
    /// </summary>
    /// <param name="mass">[count]: logarithms.</param>
    /// <param name="count">A multiple of 16.</param>
    /// <param name="extremes">The least and the largest of them.</param>
    /// <param name="resident">Log-sum-exp of what is read anyway.</param>
    /// <param name="scores">[count]</param>
    /// <param name="first">It is the first query: scores are undefined until then.</param>
    /// <returns>The whole attention's logarithm.</returns>
    public static float Take(float* mass, int count, (float Least, float Largest) extremes, float resident, float* scores, bool first)
    {
        float max = MathF.Max(extremes.Largest, resident), range = extremes.Largest - extremes.Least;
        bool sharp = range > WidestRange;
        if (sharp)
            AddTempered(mass, count, extremes.Largest, WidestRange / range, scores, first);
        float sum = VectorExp.ApproximateShares(mass, count, max) + MathF.Exp(resident - max);
        Divide(mass, count, 1 / sum, sharp ? null : scores, first);
        return max + MathF.Log(sum);
    }

    private static void Divide(float* mass, int count, float scale, float* scores, bool first)
    {
        for (int i = 0; i < count; i += Lanes)
        {
            Vector512<float> share = Vector512.Load(mass + i) * scale;
            share.Store(mass + i);
            if (scores != null)
                (first ? share : share + Vector512.Load(scores + i)).Store(scores + i);
        }
    }

    private static void AddTempered(float* mass, int count, float largest, float factor, float* scores, bool first)
    {
        for (int i = 0; i < count; i += Lanes)
        {
            Vector512<float> share = VectorExp.Exp((Vector512.Load(mass + i) - Vector512.Create(largest)) * factor);
            (first ? share : share + Vector512.Load(scores + i)).Store(scores + i);
        }
    }
}
