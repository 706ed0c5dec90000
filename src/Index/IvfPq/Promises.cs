using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>
/// What happens to estimates when a level of a <see cref="Cascade"/> finds something else than the level before promised. Heads
/// whose logits spread over tens of nats need it: their lists and codes err by factors, and weights leave the range of floats.
/// </summary>
internal static class Promises
{
    /// <summary>Share of a query's attention from which on a row is worth its full weight where others are not. In a sharp head, whose weights are relative to less, all rows that are read are.</summary>
    public const float Loud = 0.05f;

    /// <summary>What an estimate can still be believed to weigh beside rows that were read.</summary>
    public const float Most = 1e15f;

    // Weights are relative to the whole attention as lists estimate it; exp(40) leaves room for sums of squares.
    private const float Highest = 40;

    // Three nats: less than that a few rows can differ from their estimates by chance.
    private const float Doubt = 20;

    /// <summary>Moves logits, and the total that they are relative to, where their exponentials are floats.</summary>
    /// <param name="largest">Of the logits.</param>
    /// <param name="sharp">Codes of a sharp head can misjudge a row by tens of nats: the whole range of a float is left below the largest.</param>
    /// <returns>How far.</returns>
    public static float Recentre(Span<float> logits, float largest, bool sharp, ref float total)
    {
        float by = Move(largest, sharp, ref total);
        if (by != 0)
            TensorPrimitives.Subtract(logits, by, logits);
        return by;
    }

    /// <summary>The same for logits that are moved later.</summary>
    public static float Move(float largest, bool sharp, ref float total)
    {
        float by = largest > Highest || sharp ? largest - Highest : largest < -Highest ? largest : 0;
        if (!float.IsFinite(by))
            return 0;
        total += by;
        return by;
    }

    /// <summary>
    /// What the other estimates are multiplied with when a part of them, relative to a total that has moved since, was found to be
    /// something else than promised: if it is far below, so will be the others. A small part says nothing about the rest.
    /// </summary>
    public static float Correction(float promised, float all, float found, float moved)
    {
        float unchanged = MathF.Exp(MathF.Min(-moved, 80));
        return promised > all / 2 ? MathF.Min(unchanged, Doubt * found / promised) : unchanged;
    }

    public static void Scale(Span<float> estimates, float factor)
    {
        if (factor == 1)
            return;
        TensorPrimitives.Multiply(estimates, factor, estimates);
        TensorPrimitives.Min(estimates, Most, estimates);
    }
}
