using System.Globalization;
using Retrieval.Runtime.Models;

namespace Retrieval.Cli;

/// <summary>What `show` prints.</summary>
internal sealed record ModelReport(
    string Name,
    string Path,
    string Architecture,
    int Layers,
    string LayerKinds,
    int Hidden,
    int Ffn,
    int Heads,
    int KvHeads,
    int HeadDim,
    int Vocabulary,
    int TrainedContext,
    string Rope,
    bool TiedEmbeddings,
    long Parameters,
    long FileBytes,
    IReadOnlyList<TensorTypeCount> TensorTypes,
    long KvBytesPerToken,
    IReadOnlyList<KvSize> KvSizes)
{
    private const int HalfBytes = 2;
    private static readonly (string Name, int Tokens)[] Contexts = [("8k", 8 << 10), ("128k", 128 << 10), ("1m", 1 << 20)];

    public static ModelReport From(Checkpoint checkpoint)
    {
        ModelConfig config = checkpoint.Config;
        return new ModelReport(
            checkpoint.Name, checkpoint.Path, config.Family, config.Layers, Kinds(config), config.Hidden, config.Ffn, config.Heads, config.KvHeads,
            config.HeadDim, config.Vocabulary, config.TrainedContext, RopeText(config.Rope), config.TiedEmbeddings,
            checkpoint.Tensors.Values.Sum(tensor => (long)tensor.Rows * tensor.Columns),
            checkpoint.FileBytes,
            [.. checkpoint.Tensors.Values.GroupBy(tensor => tensor.Type).OrderByDescending(type => type.Sum(tensor => tensor.Bytes))
                .Select(type => new TensorTypeCount(type.Key.ToString(), type.Count(), type.Sum(tensor => tensor.Bytes)))],
            RowBytes(config) * config.LayerKinds.Count(layer => layer.SlidingWindow is null),
            [.. Contexts.Select(context => new KvSize(context.Name, context.Tokens, KvBytes(config, context.Tokens)))]);
    }

    public void Write(TextWriter writer)
    {
        var table = new TextTable("", "") { FirstNumber = 2 };
        table.Add("model", Name);
        table.Add("path", Path);
        table.Add("architecture", Architecture);
        table.Add("parameters", Units.Count(Parameters));
        table.Add("file", Units.Bytes(FileBytes));
        table.Add("layers", LayerKinds);
        table.Add("heads", $"{Heads} query, {KvHeads} key-value, {HeadDim} wide");
        table.Add("hidden, MLP", $"{Units.Count(Hidden)}, {Units.Count(Ffn)}");
        table.Add("vocabulary", Units.Count(Vocabulary) + (TiedEmbeddings ? ", embedding tied to the head" : ""));
        table.Add("trained context", Units.Count(TrainedContext));
        table.Add("RoPE", Rope);
        foreach (TensorTypeCount type in TensorTypes)
            table.Add("tensors " + type.Type, $"{Units.Count(type.Count)} of {Units.Bytes(type.Bytes)}");
        table.Add("KV per token", $"{Units.Bytes(KvBytesPerToken)} in 16 bits, in the layers that see the whole context");
        foreach (KvSize size in KvSizes)
            table.Add("KV at " + size.Context, Units.Bytes(size.Bytes));
        table.Write(writer);
    }

    /// <summary>Keys and values of one token in one layer.</summary>
    private static long RowBytes(ModelConfig config) => 2L * config.KvHeads * config.HeadDim * HalfBytes;

    /// <summary>A sliding layer keeps its window only.</summary>
    private static long KvBytes(ModelConfig config, int tokens) =>
        config.LayerKinds.Sum(layer => RowBytes(config) * Math.Min(tokens, layer.SlidingWindow ?? tokens));

    private static string Kinds(ModelConfig config)
    {
        int sliding = config.LayerKinds.Count(layer => layer.SlidingWindow is not null);
        int unrotated = config.LayerKinds.Count(layer => !layer.Rotary);
        int window = config.LayerKinds.Max(layer => layer.SlidingWindow ?? 0);
        return Units.Count(config.Layers)
            + (sliding == 0 ? "" : $", {sliding} of them with a sliding window of {Units.Count(window)}")
            + (unrotated == 0 ? "" : $", {unrotated} without positions");
    }

    private static string RopeText(RopeConfig rope)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"theta {rope.Theta:#,0.##}");
        return rope.Scaling == RopeScaling.None
            ? text
            : string.Create(CultureInfo.InvariantCulture, $"{text}, {rope.Scaling.ToString().ToLowerInvariant()} scaling by {rope.Factor:0.##} from {rope.OriginalContext:#,0}");
    }
}

internal sealed record TensorTypeCount(string Type, int Count, long Bytes);

internal sealed record KvSize(string Context, int Tokens, long Bytes);
