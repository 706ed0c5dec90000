using Retrieval.Runtime.Models;
using Retrieval.TestKit;

namespace Retrieval.Cli.Tests;

public sealed class ContextWarningTests
{
    private static readonly ModelConfig Trained = Open();

    [Fact]
    public void What_fits_is_not_warned_of()
    {
        Assert.Null(ContextWarning.Text("m", Trained, 1_048_576));
        Assert.Null(ContextWarning.Text("m", Trained with { Rope = Trained.Rope with { Scaling = RopeScaling.Dynamic } }, 1_048_577));
    }

    [Fact]
    public void The_factor_is_what_the_text_needs() => Assert.Equal(
        "Text and answer may take 1,048,577 tokens but m was trained for 1,048,576; what it writes past that is often nonsense, so give --rope-scaling yarn --rope-scale 2.",
        ContextWarning.Text("m", Trained, 1_048_577));

    [Fact]
    public void Clamped_positions_are_the_remedy_where_they_can_be_had() => Assert.EndsWith(
        "what it writes past that is often nonsense, so give --positions clamped.", ContextWarning.Text("m", Trained with { TrainedContext = 8192 }, 262_144, clampable: true));

    [Fact]
    public void A_large_factor_is_no_remedy() => Assert.EndsWith(
        "and --rope-scaling yarn --rope-scale 32 helps little at such a factor, so shorten the text or use a model with a longer context.",
        ContextWarning.Text("m", Trained with { TrainedContext = 8192 }, 262_144));

    [Fact]
    public void Scaling_that_is_not_enough_is_counted_from_the_unscaled_length()
    {
        ModelConfig scaled = Trained with { TrainedContext = 16_384, Rope = Trained.Rope with { Scaling = RopeScaling.Linear, Factor = 2, OriginalContext = 8192 } };
        Assert.EndsWith("trained for 16,384 with its RoPE scaling; what it writes past that is often nonsense, so give --rope-scaling linear --rope-scale 3.", ContextWarning.Text("m", scaled, 20_000));
    }

    private static ModelConfig Open()
    {
        using var checkpoint = Checkpoint.Open(Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"));
        return checkpoint.Config;
    }
}
