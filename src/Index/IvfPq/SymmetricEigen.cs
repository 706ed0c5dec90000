namespace Retrieval.Index;

/// <summary>
/// Eigenvalues and eigenvectors of a small symmetric matrix: reduction to tridiagonal form by Householder reflections, then QL
/// iterations with implicit shifts (Golub and Van Loan, Matrix Computations, sections 8.3 and 8.4). Deterministic.
/// </summary>
internal static class SymmetricEigen
{
    private const int MostIterations = 60;

    /// <summary>Decomposes a matrix into V diag(values) Vᵀ.</summary>
    /// <param name="matrix">[n, n], symmetric; overwritten with the eigenvectors as rows, largest eigenvalue first.</param>
    /// <returns>[n], descending.</returns>
    public static double[] Decompose(double[] matrix, int n)
    {
        double[] diagonal = new double[n], off = new double[n];
        double[] vectors = Tridiagonalize(matrix, n, diagonal, off);
        Iterate(vectors, n, diagonal, off);
        int[] order = [.. Enumerable.Range(0, n)];
        Array.Sort(order, (a, b) => diagonal[a] != diagonal[b] ? diagonal[b].CompareTo(diagonal[a]) : a.CompareTo(b));
        for (int i = 0; i < n; i++)
            vectors.AsSpan(order[i] * n, n).CopyTo(matrix.AsSpan(i * n, n));
        return [.. order.Select(i => diagonal[i])];
    }

    /// <summary>Reduces A to Qᵀ A Q = T; the result holds Qᵀ, whose rows turn into eigenvectors.</summary>
    private static double[] Tridiagonalize(double[] a, int n, double[] diagonal, double[] off)
    {
        var q = new double[n * n];
        for (int i = 0; i < n; i++)
            q[i * n + i] = 1;
        double[] v = new double[n], p = new double[n];
        for (int k = 0; k < n - 2; k++)
        {
            double norm = 0;
            for (int i = k + 1; i < n; i++)
                norm += a[k * n + i] * a[k * n + i];
            norm = Math.Sqrt(norm);
            if (norm == 0)
                continue;
            double alpha = a[k * n + k + 1] > 0 ? -norm : norm;
            for (int i = k + 1; i < n; i++)
                v[i] = a[k * n + i];
            v[k + 1] -= alpha;
            double square = 0;
            for (int i = k + 1; i < n; i++)
                square += v[i] * v[i];
            if (square == 0)
                continue;
            ReflectBothSides(a, n, k, v, p, square);
            // Rows of Qᵀ: (I − 2vvᵀ/vᵀv) Qᵀ.
            Array.Clear(p);
            for (int i = k + 1; i < n; i++)
                AddScaled(q.AsSpan(i * n, n), v[i], p);
            for (int i = k + 1; i < n; i++)
                AddScaled(p, -2 * v[i] / square, q.AsSpan(i * n, n));
        }
        for (int i = 0; i < n; i++)
        {
            diagonal[i] = a[i * n + i];
            off[i] = i + 1 < n ? a[i * n + i + 1] : 0;
        }
        return q;
    }

    private static void ReflectBothSides(double[] a, int n, int k, double[] v, double[] p, double square)
    {
        // A − v wᵀ − w vᵀ with w = 2/vᵀv (A v − v (vᵀ A v)/vᵀv).
        double dot = 0;
        for (int i = k; i < n; i++)
        {
            double sum = 0;
            for (int j = k + 1; j < n; j++)
                sum += a[i * n + j] * v[j];
            p[i] = 2 * sum / square;
            dot += i > k ? p[i] * v[i] : 0;
        }
        double shift = dot / square;
        for (int i = k; i < n; i++)
            p[i] -= i > k ? shift * v[i] : 0;
        for (int i = k; i < n; i++)
        {
            double vi = i > k ? v[i] : 0;
            for (int j = k; j < n; j++)
                a[i * n + j] -= vi * p[j] + p[i] * (j > k ? v[j] : 0);
        }
    }

    private static void AddScaled(ReadOnlySpan<double> source, double factor, Span<double> target)
        => System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(source, factor, target, target);

    /// <summary>Diagonalises T by rotations of neighbouring rows, which are applied to the rows of Qᵀ as well.</summary>
    private static void Iterate(double[] vectors, int n, double[] d, double[] e)
    {
        for (int l = 0; l < n; l++)
        {
            for (int iteration = 0; ; iteration++)
            {
                int m = l;
                while (m < n - 1 && Math.Abs(e[m]) > 1e-15 * (Math.Abs(d[m]) + Math.Abs(d[m + 1])))
                    m++;
                if (m == l || iteration == MostIterations)
                    break;
                double g = (d[l + 1] - d[l]) / (2 * e[l]), r = Math.Sqrt(g * g + 1);
                g = d[m] - d[l] + e[l] / (g + Math.CopySign(r, g));
                double s = 1, c = 1, p = 0;
                for (int i = m - 1; i >= l; i--)
                {
                    double f = s * e[i], b = c * e[i];
                    r = Math.Sqrt(f * f + g * g);
                    e[i + 1] = r;
                    if (r == 0)
                    {
                        d[i + 1] -= p;
                        e[m] = 0;
                        break;
                    }
                    s = f / r;
                    c = g / r;
                    g = d[i + 1] - p;
                    r = (d[i] - g) * s + 2 * c * b;
                    p = s * r;
                    d[i + 1] = g + p;
                    g = c * r - b;
                    Rotate(vectors.AsSpan(i * n, n), vectors.AsSpan((i + 1) * n, n), s, c);
                }
                if (r == 0 && m - 1 >= l)
                    continue;
                d[l] -= p;
                e[l] = g;
                e[m] = 0;
            }
        }
    }

    private static void Rotate(Span<double> lower, Span<double> upper, double s, double c)
    {
        for (int i = 0; i < lower.Length; i++)
        {
            double low = lower[i], high = upper[i];
            upper[i] = s * low + c * high;
            lower[i] = c * low - s * high;
        }
    }
}
