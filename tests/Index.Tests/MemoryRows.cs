namespace Retrieval.Index.Tests;

/// <summary>Key rows in an array that a test may change.</summary>
/// <param name="Values">[rows, dim]</param>
internal sealed record MemoryRows(float[] Values, int Dim) : IKeyRows
{
    public int Count => Values.Length / Dim;

    public unsafe void Read(int first, int count, float* destination)
        => Values.AsSpan(first * Dim, count * Dim).CopyTo(new Span<float>(destination, count * Dim));

    /// <summary>Attention weight of each row summed over the queries, in double: what <see cref="FlatIndex"/> defines as score.</summary>
    /// <param name="queries">[group, Dim]</param>
    public double[] Mass(ReadOnlySpan<float> queries, int first, int count)
    {
        var mass = new double[count];
        var weights = new double[count];
        for (int g = 0; g < queries.Length / Dim; g++)
        {
            ReadOnlySpan<float> query = queries.Slice(g * Dim, Dim);
            for (int row = 0; row < count; row++)
            {
                double dot = 0;
                for (int i = 0; i < Dim; i++)
                    dot += (double)query[i] * Values[(first + row) * Dim + i];
                weights[row] = dot;
            }
            double max = weights.Max(), sum = weights.Sum(x => Math.Exp(x - max));
            for (int row = 0; row < count; row++)
                mass[row] += Math.Exp(weights[row] - max) / sum;
        }
        return mass;
    }
}
