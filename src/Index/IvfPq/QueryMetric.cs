using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>
/// Coordinates in which Euclidean distance is the expected difference of logits. With H = E[q qᵀ] + ridge = A Aᵀ (Cholesky), keys
/// become z = Aᵀ k and queries x = A⁻¹ q, so that x · z = q · k and E|x · (z − z')|² = |z − z'|².
/// </summary>
internal sealed class QueryMetric
{
    // Directions that no query of the sample had still tell keys apart, a little: the next question may have them.
    private const double Ridge = 1e-3;

    private QueryMetric(int dim, double[] factor, double[] inverse, bool learnt) => (Dim, Factor, Inverse, Learnt) = (dim, factor, inverse, learnt);

    public int Dim { get; }

    /// <summary>False: there were no queries to learn from.</summary>
    public bool Learnt { get; }

    /// <summary>A, [dim, dim]; a row vector of keys times A is z.</summary>
    public double[] Factor { get; }

    /// <summary>A⁻¹, [dim, dim].</summary>
    public double[] Inverse { get; }

    /// <summary>The metric of a sample of queries; the Euclidean one if the sample is empty or all zero.</summary>
    public static QueryMetric From(QueryMoments moments)
    {
        int dim = moments.Dim;
        var h = new double[dim * dim];
        double trace = 0;
        for (int i = 0; i < h.Length; i++)
            h[i] = moments.Count == 0 ? 0 : moments.Sum[i] / (double)moments.Count;
        for (int i = 0; i < dim; i++)
            trace += h[i * dim + i];
        if (!(trace > 0))
        {
            for (int i = 0; i < dim; i++)
                h[i * dim + i] = 1;
            return new QueryMetric(dim, h, (double[])h.Clone(), learnt: false);
        }
        double ridge = Ridge * LargestEigenvalue(h, dim);
        for (int i = 0; i < dim; i++)
            h[i * dim + i] += ridge;
        Cholesky(h, dim);
        return new QueryMetric(dim, h, InvertLower(h, dim), learnt: true);
    }

    private static double LargestEigenvalue(double[] h, int dim)
    {
        double[] vector = new double[dim], next = new double[dim];
        Array.Fill(vector, 1);
        double value = 0;
        for (int iteration = 0; iteration < 30; iteration++)
        {
            for (int i = 0; i < dim; i++)
                next[i] = TensorPrimitives.Dot<double>(h.AsSpan(i * dim, dim), vector);
            value = TensorPrimitives.Norm<double>(next);
            if (value == 0)
                return TensorPrimitives.Max<double>(h);
            TensorPrimitives.Divide<double>(next, value, vector);
        }
        return value;
    }

    /// <summary>H = L Lᵀ; L replaces H, zeros above the diagonal.</summary>
    private static void Cholesky(double[] h, int dim)
    {
        for (int i = 0; i < dim; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = h[i * dim + j] - TensorPrimitives.Dot<double>(h.AsSpan(i * dim, j), h.AsSpan(j * dim, j));
                h[i * dim + j] = i == j ? Math.Sqrt(Math.Max(sum, double.Epsilon)) : sum / h[j * dim + j];
            }
            h.AsSpan(i * dim + i + 1, dim - i - 1).Clear();
        }
    }

    private static double[] InvertLower(double[] lower, int dim)
    {
        var inverse = new double[dim * dim];
        for (int i = 0; i < dim; i++)
        {
            Span<double> row = inverse.AsSpan(i * dim, dim);
            row[i] = 1;
            for (int j = 0; j < i; j++)
                TensorPrimitives.MultiplyAdd(inverse.AsSpan(j * dim, dim), -lower[i * dim + j], row, row);
            TensorPrimitives.Divide(row, lower[i * dim + i], row);
        }
        return inverse;
    }
}
