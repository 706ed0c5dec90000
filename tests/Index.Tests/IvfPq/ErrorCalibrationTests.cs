using Retrieval.TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>A target for the error, and what it is found to take: on made-up heads exactly, on those of a real model for queries that were not seen.</summary>
public sealed class ErrorCalibrationTests(ITestOutputHelper output)
{
    // The interval of the logarithm from 1/1024 to 2, halved seven times.
    private static readonly double Step = Math.Exp(Math.Log(2048) / 128);

    [Theory]
    [InlineData(0.02f)]
    [InlineData(0.3f)]
    public void WithoutSamplesTheTargetIsTheBudget(float target)
    {
        using PackedIndex packed = new(Heads.Keys(2000, 16), Heads.Values(2000, 16), 0, Heads.Moments(16), halves: false);
        Assert.Equal(target, new ErrorCalibration(16).Find(new Cascade(), packed.Index, packed.Rows, CascadeBudget.ForError(target)));
    }

    /// <summary>95 % of the samples' errors keep to the target, and with a step more they would not.</summary>
    [Theory]
    [InlineData(0.05f)]
    [InlineData(0.15f)]
    public void ItIsTheLargestBudgetThatKeepsToTheTarget(float target)
    {
        const int Dim = 32, Group = 3, Far = 6000, Samples = 11;
        MemoryRows keys = Heads.Keys(Far + 100, Dim), values = Heads.Values(Far + 100, Dim);
        using PackedIndex packed = new(
            new MemoryRows(keys.Values[..(Far * Dim)], Dim), new MemoryRows(values.Values[..(Far * Dim)], Dim), 0, Heads.Moments(Dim, Group), halves: false);
        var calibration = new ErrorCalibration(Dim);
        Case[] samples = [.. Enumerable.Range(0, Samples).Select(i =>
        {
            float[] queries = Heads.Queries(Group, Dim, 77 + i);
            Attention resident = Attention.Full(keys, values, Far, Far + 100, queries);
            return new Case(queries, resident, resident.Merge(Attention.Full(keys, values, 0, Far, queries)).Output);
        })];
        foreach (Case sample in samples)
            calibration.Add(sample.Queries, sample.Parts, sample.Expected);
        var cascade = new Cascade();
        float found = calibration.Find(cascade, packed.Index, packed.Rows, CascadeBudget.ForError(target));
        double kept = Percentile(Errors(packed, cascade, samples, found)), beyond = Percentile(Errors(packed, cascade, samples, (float)(found * Step)));
        output.WriteLine($"target {target}: {found:f4} gives {kept:f4}, a step more {beyond:f4}");
        Assert.InRange(found, target / 1024, 2 * target / Step * 1.0001);
        Assert.InRange(kept, target / 4, target);
        Assert.True(beyond > target, $"{found * Step:f4} would do too: {beyond:f4}");
    }

    /// <summary>Protocol of the table in the documentation of shared/qkv; calibrated as the product does, on up to 32 prompt queries behind the far rows.</summary>
    [SkippableTheory]
    [InlineData("l03-h0")]
    [InlineData("l07-h1")]
    [InlineData("l15-h1")]
    [InlineData("l20-h0")]
    public void ErrorsOfUnseenQueriesOfRealHeadsKeepToTheTarget(string name)
    {
        const int Dim = 64, Group = 7, Width = Group * Dim, Sinks = 64, FarEnd = Sinks + 31_680, Samples = 32;
        Skip.If(SharedFiles.Find("qkv") is null, "The recorded queries, keys and values (shared/qkv) are not on this machine.");
        var file = new SafetensorsFile16(SharedFiles.Find($"qkv/qwen2.5-coder-0.5b-moby32k-{name}.safetensors")!);
        MemoryRows keys = new(file.Half("k"), Dim), values = new(file.Half("v"), Dim);
        float[] prompt = file.Half("prompt_queries"), test = file.Half("test_queries"), outputs = file.Single("test_outputs");
        var moments = new QueryMoments(Dim);
        moments.Add(prompt);
        using var packed = new PackedIndex(
            new MemoryRows(keys.Values[..(FarEnd * Dim)], Dim), new MemoryRows(values.Values[..(FarEnd * Dim)], Dim), Sinks, moments, halves: false);

        int[] promptPositions = file.Integers("prompt_positions"), testPositions = file.Integers("test_positions");
        int[] after = [.. Enumerable.Range(0, promptPositions.Length).Where(i => promptPositions[i] >= FarEnd)];
        Assert.True(after.Length >= Samples);
        var calibration = new ErrorCalibration(Dim);
        for (int s = 0; s < Samples; s++)
        {
            int i = after[s * after.Length / Samples];
            (float[] queries, Attention resident) = At(prompt, i, promptPositions[i]);
            calibration.Add(queries, new ResidentAttention(resident.Output, resident.LogSumExp), resident.Merge(Attention.Full(keys, values, Sinks, FarEnd, queries)).Output);
        }
        Case[] cases = [.. testPositions.Select((position, i) =>
        {
            (float[] queries, Attention resident) = At(test, i, position);
            return new Case(queries, resident, outputs[(i * Width)..((i + 1) * Width)]);
        })];
        var cascade = new Cascade();
        foreach (float target in (float[])[0.02f, 0.05f, 0.1f])
        {
            float found = calibration.Find(cascade, packed.Index, packed.Rows, CascadeBudget.ForError(target));
            double error = Percentile(Errors(packed, cascade, cases, found));
            output.WriteLine($"{name}, target {target}: budget {found:f4}, 95 % of the errors below {error:f4}");
            Assert.InRange(error, 0, 1.5 * target);
        }

        (float[] Queries, Attention Resident) At(float[] all, int i, int position)
        {
            float[] queries = [.. all.AsSpan(i * Width, Width).ToArray().Select(x => x / 8)];
            return (queries, Attention.Full(keys, values, 0, Sinks, queries).Merge(Attention.Full(keys, values, FarEnd, position + 1, queries)));
        }
    }

    private static unsafe double[] Errors(PackedIndex packed, Cascade cascade, Case[] cases, float maxError)
    {
        var errors = new List<double>();
        foreach (Case one in cases)
        {
            float[] far = new float[one.Queries.Length], logSumExp = new float[one.Resident.LogSumExp.Length];
            fixed (float* farOutput = far, farLogSumExp = logSumExp)
                cascade.Run(packed.Index, packed.Rows, one.Queries, one.Parts, CascadeBudget.ForError(maxError), farOutput, farLogSumExp);
            errors.AddRange(new Attention(far, logSumExp).Merge(one.Resident).Errors(one.Expected));
        }
        return [.. errors];
    }

    private static double Percentile(double[] errors) => errors.Order().ElementAt((int)Math.Ceiling(ErrorCalibration.Quantile * errors.Length) - 1);

    private sealed record Case(float[] Queries, Attention Resident, float[] Expected)
    {
        public ResidentAttention Parts => new(Resident.Output, Resident.LogSumExp);
    }
}
