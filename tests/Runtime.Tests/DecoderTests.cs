using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>The engine against a naive decoder in double, for every family and switch.</summary>
public sealed class DecoderTests
{
    private const double Tolerance = 1e-3;
    private const int Longest = 100;

    private static readonly int[] Prompts = [1, 2, 17, 40, Longest];

    [Theory]
    [MemberData(nameof(ReferenceCase.Names), MemberType = typeof(ReferenceCase))]
    public void LogitsEqualThoseOfANaiveDecoder(string name)
    {
        ReferenceCase test = ReferenceCase.Of(name);
        int[] tokens = test.Tokens(Longest);
        double[][] expected = test.Decoder().Run(tokens);
        foreach (int chunk in (int[])[1, 7, 16, 64])
        {
            using var tiny = new TinyEngine(test.Model, chunk: chunk, threads: chunk == 16 ? 2 : 1);
            foreach (int length in Prompts)
            {
                using Session session = tiny.Engine.NewSession();
                session.Append(tokens.AsSpan(0, length));
                Logits.AssertNear(expected[length - 1], session.Logits, Tolerance, $"{name}, prompt of {length}, chunk {chunk}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(ReferenceCase.Names), MemberType = typeof(ReferenceCase))]
    public void AppendedInPiecesIsAppendedAtOnce(string name)
    {
        ReferenceCase test = ReferenceCase.Of(name);
        int[] tokens = test.Tokens(Longest);
        double[][] expected = test.Decoder().Run(tokens);
        using var tiny = new TinyEngine(test.Model, chunk: 10);
        foreach (int largest in (int[])[1, 5, 40])
        {
            using Session session = tiny.Engine.NewSession();
            foreach (int size in RandomData.Portions(Longest, largest, 5))
            {
                session.Append(tokens.AsSpan(session.Length, size));
                string where = $"{name}, pieces up to {largest}, {session.Length} tokens";
                Logits.AssertNear(expected[session.Length - 1], session.Logits, Tolerance, where);
            }
            Assert.Equal(tokens, session.Tokens);
        }
    }

    /// <summary>Query and key rows lie in another order in GGUF files of some families; the numbers must not notice.</summary>
    [Theory]
    [MemberData(nameof(ReferenceCase.NamesInBothFormats), MemberType = typeof(ReferenceCase))]
    public void BothFormatsGiveTheSameLogits(string name)
    {
        ReferenceCase test = ReferenceCase.Of(name);
        int[] tokens = test.Tokens(40);
        using var hf = new TinyEngine(test.Model, chunk: 16);
        using var gguf = new TinyEngine(test.Model, gguf: true, chunk: 16, metadata: test.GgufMetadata);
        float[][] expected = Logits.Of(hf.Engine, new FullPolicy(), tokens.AsSpan(0, 30), tokens.AsSpan(30));
        float[][] actual = Logits.Of(gguf.Engine, new FullPolicy(), tokens.AsSpan(0, 30), tokens.AsSpan(30));
        for (int i = 0; i < expected.Length; i++)
            Logits.AssertNear(expected[i], actual[i], Tolerance, $"{name}, {30 + i} tokens");
        Logits.AssertNear(test.Decoder().Run(tokens)[^1], actual[^1], Tolerance, $"{name}, GGUF against the reference");
    }

    /// <summary>Dynamic scaling: a token is rotated by the length of the sequence at the time it is read, and cached so.</summary>
    [Fact]
    public void DynamicScalingFollowsTheLength()
    {
        var model = new TinyModel
        {
            HeadDim = 16,
            Context = 32,
            ExtraConfig = """{"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}""",
        };
        var reference = new ReferenceDecoder(model, ReferenceRope.Dynamic(16, 4, 32));
        int[] tokens = RandomData.Tokens(120, model.Vocabulary, 7);
        using var tiny = new TinyEngine(model, chunk: 16);
        Assert.Equal(128, tiny.Engine.ContextLimit);
        foreach (int length in (int[])[20, 32, 33, 60, 110])
        {
            using Session session = tiny.Engine.NewSession();
            session.Append(tokens.AsSpan(0, length));
            List<int> lengths = [.. Enumerable.Repeat(length, length)];
            for (int steps = 0; steps < 10; steps++)
            {
                double[] expected = reference.Run(tokens[..session.Length], [.. lengths])[^1];
                Logits.AssertNear(expected, session.Logits, Tolerance, $"prompt of {length}, {steps} steps");
                session.Append([tokens[session.Length]]);
                lengths.Add(session.Length);
            }
        }
    }

    /// <summary>The comparison would notice: each switch changes the logits by far more than the tolerance.</summary>
    [Fact]
    public void TheReferenceTellsSwitchesApart()
    {
        int[] tokens = ReferenceCase.Of("llama").Tokens(40);
        var model = new TinyModel { HeadDim = 16 };
        double[] plain = new ReferenceDecoder(model, ReferenceRope.Plain(16)).Run(tokens)[^1];
        ReferenceDecoder[] others =
        [
            new(model, ReferenceRope.Linear(16, 4)), new(model, ReferenceRope.Yarn(16, 4, 64)),
            new(model, ReferenceRope.Llama3(16, 8, 128, 1, 4)),
            new(model, ReferenceRope.Dynamic(16, 4, 32)), new(model, ReferenceRope.Plain(16, 500_000)), new(model, ReferenceRope.Plain(8)),
            new(model, ReferenceRope.Plain(16), rotary: [true, false]), new(model, ReferenceRope.Plain(16), windows: [null, 39]),
        ];
        foreach (ReferenceDecoder other in others)
            Assert.True(other.Run(tokens)[^1].Zip(plain, (a, b) => Math.Abs(a - b)).Max() > 5 * Tolerance);
    }
}
