using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>What lists are known by, in bytes.</summary>
public sealed unsafe class ListRoundingTests
{
    private const int Dim = 64, Lanes = ListTable.PanelLists;

    [Fact]
    public void AScaleIsTheUpperHalfOfAFloatThatIsNotLess()
    {
        foreach (float scale in (float[])[0, 1.2e-38f, 1e-30f, 0.1f, 1, 1.0000001f, 255.9f, 1e30f, .. RandomData.Normal(1000, 1).Select(MathF.Abs)])
        {
            var rounded = new ListScale(ListScale.Above(scale), ListScale.Above(scale));
            Assert.Equal(rounded.OfCentre, rounded.OfSpread);
            Assert.True(rounded.OfCentre >= scale, $"{rounded.OfCentre} for {scale}");
            Assert.True(rounded.OfCentre <= scale * (1 + 1 / 128f) + 1e-38f, $"{rounded.OfCentre} for {scale}");
            Assert.True(rounded.IsValid);
        }
        Assert.Equal(0, ListScale.Above(float.Epsilon));
    }

    [Theory]
    [InlineData(float.MaxValue)]
    [InlineData(float.PositiveInfinity)]
    public void NoScaleIsInfinite(float scale)
    {
        var rounded = new ListScale(ListScale.Above(scale), 0);
        Assert.True(rounded.IsValid);
        Assert.InRange(rounded.OfCentre, 1e38f, float.MaxValue);
    }

    [Theory]
    [InlineData(0x7F80, 0)]
    [InlineData(0, 0x7FC0)]
    [InlineData(0x8000, 0)]
    [InlineData(0, 0xBF80)]
    public void InfinitiesAndWhatIsNegativeAreNoScales(ushort centre, ushort spread) => Assert.False(new ListScale(centre, spread).IsValid);

    [Fact]
    public void AVectorHasTheScalesOfAPanel()
    {
        using var scales = new GuardedMemory<ListScale>([.. Enumerable.Range(0, Lanes).Select(i => new ListScale(ListScale.Above(i * 0.3f), ListScale.Above(100 - i)))]);
        (Vector512<float> centres, Vector512<float> spreads) = ListScale.OfPanel(scales.Pointer);
        for (int i = 0; i < Lanes; i++)
            Assert.Equal((scales.Span[i].OfCentre, scales.Span[i].OfSpread), (centres[i], spreads[i]));
    }

    /// <summary>The codec knows the centres of the first rows; those of later ones may lie anywhere.</summary>
    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(1f, 1f)]
    [InlineData(50f, 1f)]
    [InlineData(0f, 1e-6f)]
    [InlineData(1e6f, 1e5f)]
    public void CentresAnywhereKeepAByteOfTheirDistance(float offset, float spread)
    {
        IvfPqCodec codec = Build().Codec;
        const int Lists = 37;
        float[] centres = RandomData.Normal(Lists * Dim, 5);
        for (int i = 0; i < centres.Length; i++)
            centres[i] = codec.CentreMiddle[i % Dim] + codec.CentreScale[i % Dim] * (offset + spread * centres[i]);
        float[] rounded = [.. centres];
        ListTables tables = ListTables.ForOne(Dim, Lists, out ListTable table);
        ListRounding.RoundCentres(rounded, codec, table);
        for (int list = 0; list < Lists; list++)
        {
            float scale = table.Scales(list / Lanes)[list % Lanes].OfCentre;
            float farthest = Enumerable.Range(0, Dim).Max(i => MathF.Abs(centres[list * Dim + i] - codec.CentreMiddle[i]) / codec.CentreScale[i]);
            Assert.InRange(scale, farthest / 127, farthest / 127 * 1.01f);
            for (int i = 0; i < Dim; i++)
            {
                sbyte value = table.Centres(list / Lanes)[ByteColumns.At(i, list % Lanes)];
                Assert.Equal(codec.CentreMiddle[i] + codec.CentreScale[i] * (scale * value), rounded[list * Dim + i]);
                Assert.Equal(centres[list * Dim + i], rounded[list * Dim + i], 0.51 * scale * codec.CentreScale[i] + 1e-6 * MathF.Abs(centres[list * Dim + i]));
            }
        }
        GC.KeepAlive(tables);
    }

    /// <summary>Centres that are all the same on an axis, or on all, leave scales that can be divided by.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Dim)]
    public void FlatAxesHaveScales(int axes)
    {
        float[] keys = Heads.Keys(2000, Dim).Values;
        for (int i = 0; i < keys.Length; i++)
            keys[i] = i % Dim < Dim - axes ? keys[i] : 3;
        IvfPqCodec codec = IvfPqIndex.Build(new MemoryRows(keys, Dim), Heads.Values(2000, Dim), 0, 2000, Heads.Moments(Dim), new IvfPqOptions()).Codec;
        Assert.All(codec.CentreScale, scale => Assert.True(scale > 0 && float.IsFinite(scale)));
        Assert.True(codec.CentreScale.Max() <= 64 * codec.CentreScale.Min());
    }

    /// <summary>Checksums that are right say nothing about what somebody wrote.</summary>
    [Theory]
    [InlineData(0x7F80, 0x3F80, 1f, "scales of lists")]
    [InlineData(0x3F80, 0xBF80, 1f, "scales of lists")]
    [InlineData(0x7F00, 0x3F80, 1f, "scales of lists")]
    [InlineData(0x3F80, 0x3F80, 0f, "scales of centres")]
    [InlineData(0x3F80, 0x3F80, 1e-40f, "scales of centres")]
    [InlineData(0x3F80, 0x3F80, float.NaN, "scales of centres")]
    public void ScalesThatCannotBeMultipliedWithAreNotLoaded(ushort centre, ushort spread, float axis, string what)
    {
        IvfPqIndex index = Build();
        index.Lists.Scales(0)[3] = new ListScale(centre, spread);
        index.Codec.CentreScale[5] = axis;
        using var file = new MemoryStream();
        index.Save(file);
        file.Position = 0;
        Assert.Contains(what, Assert.Throws<InvalidDataException>(() => IvfPqIndex.Load(file)).Message);
    }

    /// <summary>Whatever an index says of its lists, padding included, and whatever is asked: the answers are numbers.</summary>
    [Theory]
    [InlineData(1f)]
    [InlineData(1e15f)]
    public void AbsurdScalesLeaveNumbers(float factor)
    {
        using var packed = new PackedIndex(Heads.Keys(2000, Dim), Heads.Values(2000, Dim), 0, Heads.Moments(Dim), halves: false);
        ListTable lists = packed.Index.Lists;
        for (int list = 0; list < lists.Panels * Lanes; list++)
            lists.Scales(list / Lanes)[list % Lanes] = new ListScale(0x7F7F, 0x7F7F);
        Attention found = packed.Attend([.. Heads.Queries(3, Dim).Select(x => x * factor)], new CascadeBudget(400, 100, 60));
        Assert.All(found.Output, x => Assert.True(float.IsFinite(x), $"{x}"));
        Assert.All(found.LogSumExp, x => Assert.False(float.IsNaN(x)));
    }

    private static IvfPqIndex Build() => IvfPqIndex.Build(Heads.Keys(2000, Dim), Heads.Values(2000, Dim), 0, 2000, Heads.Moments(Dim), new IvfPqOptions());
}
