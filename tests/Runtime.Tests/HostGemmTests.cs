using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Tests.Kernels;
using Retrieval.Runtime.Torch;
using Retrieval.TestKit;
using Xunit;
using BFloat16 = Retrieval.Runtime.Kernels.BFloat16;

namespace Retrieval.Runtime.Tests;

/// <summary>Products of many rows against sums in double, in blocks of rows and, where threads outnumber those, of columns.</summary>
public sealed unsafe class HostGemmTests : IDisposable
{
    private const int Inner = 64;

    private readonly List<IDisposable> _owned = [];

    public HostGemmTests() => LibtorchLoader.Load();

    public static TheoryData<int, int, bool> Cases => new()
    {
        { 1, 300, true }, { 2, 17, true }, { 2, 300, true }, { 2, 257, false }, { 12, 33, true }, { 12, 70, false }, { 1, 1, false },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void ProductsOfTheSameInputEqualTheirDefinition(int threads, int rows, bool bfloat16)
    {
        using var workers = new WorkerPool(threads);
        using var gemm = new HostGemm(workers, bfloat16);
        Rows x = Random(rows, Inner, 1);
        // Not multiples of a slice, so that slices begin and end inside a matrix.
        int[] widths = [330, 48, 520];
        Projection[] projections = [.. widths.Select((width, i) => new Projection(NewWeight(width, Inner, 10 + i), null, Random(rows, width, 20)))];
        for (int pass = 0; pass < 2; pass++)
        {
            gemm.Multiply(x, projections);
            foreach (Projection projection in projections)
                Close(Products(x, projection.Weight, bfloat16), projection.Result, bfloat16);
        }

        float[] before = Copy(projections[2].Result);
        gemm.AddProduct(x, projections[2] with { Result = x }, projections[2].Result);
        Close([.. Products(x, projections[2].Weight, bfloat16).Zip(before, (product, old) => product + old)], projections[2].Result, bfloat16);
        gemm.ReleaseConverted();
        Assert.True(gemm.Bytes > 0);
    }

    [Theory]
    [InlineData(1, 300)]
    [InlineData(2, 64)]
    [InlineData(3, 301)]
    public void AnMlpEqualsItsDefinition(int threads, int rows)
    {
        const int Ffn = 208;
        using var workers = new WorkerPool(threads);
        using var gemm = new HostGemm(workers, bfloat16: true);
        Assert.True(gemm.TakesMlp(rows));
        Rows x = Random(rows, Inner, 1), y = Random(rows, Inner, 2), scratch = Random(rows, Ffn, 3);
        Weight gate = NewWeight(Ffn, Inner, 4), up = NewWeight(Ffn, Inner, 5), down = NewWeight(Inner, Ffn, 6);
        // What lies between the products is rounded as the products' results are.
        double[] gates = [.. Products(x, gate, true).Select(Rounded)], ups = [.. Products(x, up, true).Select(Rounded)];
        for (int i = 0; i < gates.Length; i++)
            scratch.Data[i] = (float)(gates[i] / (1 + Math.Exp(-gates[i])) * ups[i]);
        double[] expected = [.. Products(scratch, down, true).Zip(Copy(y), (product, old) => product + old)];
        gemm.AddMlp(x, new Projection(gate, null, scratch), new Projection(up, null, scratch), new Projection(down, null, scratch), y);
        Close(expected, y, bfloat16: true);
    }

    [Fact]
    public void FewRowsOfAnMlpAreNotWorthBlocks()
    {
        using var workers = new WorkerPool(4);
        using HostGemm gemm = new(workers, bfloat16: true), float32 = new(workers, bfloat16: false);
        Assert.False(gemm.TakesMlp(100));
        Assert.False(float32.TakesMlp(1000));
    }

    public void Dispose() => _owned.ForEach(owned => owned.Dispose());

    private Rows Random(int rows, int width, int seed)
    {
        var x = Rows.OnHost(rows, width);
        _owned.Add(x);
        KernelData.Normal(rows * width, seed).CopyTo(new Span<float>(x.Data, rows * width));
        return x;
    }

    private Weight NewWeight(int rows, int columns, int seed)
    {
        GuardedMemory<float> memory = new(KernelData.Normal(rows * columns, seed));
        _owned.Add(memory);
        return new Weight(new StoredTensor("weight", TensorType.F32, [rows, columns], (nint)memory.Pointer, rows * columns * sizeof(float)));
    }

    private static float[] Copy(Rows x) => new ReadOnlySpan<float>(x.Data, x.Count * x.Width).ToArray();

    private static double[] Products(Rows x, Weight weight, bool rounded)
    {
        float[] w = weight.ToArray(), input = Copy(x);
        if (rounded)
        {
            w = [.. w.Select(value => (float)Rounded(value))];
            input = [.. input.Select(value => (float)Rounded(value))];
        }
        var products = new double[x.Count * weight.Rows];
        for (int row = 0; row < x.Count; row++)
        {
            for (int column = 0; column < weight.Rows; column++)
            {
                for (int i = 0; i < weight.Columns; i++)
                    products[row * weight.Rows + column] += (double)input[row * weight.Columns + i] * w[column * weight.Columns + i];
            }
        }
        return products;
    }

    private static double Rounded(double value) => BFloat16.ToSingle(BFloat16.FromSingle((float)value));

    /// <summary>Within the rounding of results: 2⁻⁹ of a value for bfloat16, and what inner roundings add to sums of values near zero.</summary>
    private static void Close(double[] expected, Rows actual, bool bfloat16)
    {
        double scale = Math.Sqrt(expected.Average(value => value * value)), tolerance = bfloat16 ? 1.0 / 256 : 1e-5;
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual.Data[i]) <= tolerance * (Math.Abs(expected[i]) + scale), $"[{i}] {expected[i]} is {actual.Data[i]}");
    }
}
