using TorchSharp;

namespace Retrieval.Runtime.Attention;

/// <summary>
/// Exact causal attention of a chunk of tokens through libtorch: keys come in blocks, and an online softmax joins them, so that
/// no buffer grows with the context (FlashAttention, arXiv 2205.14135). All tensors belong to the dispose scope it was made in.
/// </summary>
internal sealed class ChunkAttention
{
    // Bounds the logits: KV heads * group * these * rows of a block.
    private const int SliceTokens = 256;

    private readonly int _position, _tokens, _kvHeads, _group, _dim;
    private readonly int? _window;
    private readonly torch.Tensor _query, _output, _max, _sum;

    /// <param name="query">[tokens, heads * headDim], after RoPE, not scaled.</param>
    /// <param name="position">Position of the first token.</param>
    /// <param name="window">A token sees itself and the window − 1 before it; null: all.</param>
    public ChunkAttention(torch.Tensor query, int tokens, int kvHeads, int group, int dim, int position, int? window)
    {
        (_tokens, _kvHeads, _group, _dim, _position, _window) = (tokens, kvHeads, group, dim, position, window);
        _query = (query.view(tokens, kvHeads, group, dim).permute(1, 0, 2, 3) * (1 / MathF.Sqrt(dim))).contiguous();
        _output = torch.zeros_like(_query);
        // Finite, so that a block of which a token sees nothing leaves sums of 0 and not NaN.
        _max = torch.full(new long[] { kvHeads, tokens, group, 1 }, -1e30f, torch.ScalarType.Float32, query.device);
        _sum = torch.zeros_like(_max);
    }

    /// <summary>Attends to rows [first, first + count).</summary>
    /// <param name="keys">[kvHeads, count, headDim]</param>
    /// <param name="values">Like <paramref name="keys"/>.</param>
    public void Add(torch.Tensor keys, torch.Tensor values, int first, int count)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor keysTransposed = keys.to(torch.ScalarType.Float32).transpose(1, 2), wide = values.to(torch.ScalarType.Float32);
        for (int token = 0; token < _tokens; token += SliceTokens)
        {
            int tokens = Math.Min(SliceTokens, _tokens - token), position = _position + token;
            bool nothingVisible = first > position + tokens - 1 || first + count - 1 <= position - (_window ?? int.MaxValue);
            if (!nothingVisible)
                AddSlice(token, tokens, keysTransposed, wide, first, count);
        }
    }

    /// <summary>Outputs, [tokens, heads * headDim].</summary>
    public torch.Tensor Result() => (_output / _sum).permute(1, 0, 2, 3).reshape(_tokens, -1);

    private void AddSlice(int token, int tokens, torch.Tensor keysTransposed, torch.Tensor values, int first, int count)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        int position = _position + token;
        torch.Tensor logits = Slice(_query).bmm(keysTransposed);
        if (first + count - 1 > position || (_window is { } w && first <= position + tokens - 1 - w))
            logits.view(_kvHeads, tokens, _group, count).masked_fill_(Hidden(position, tokens, first, count), float.NegativeInfinity);
        torch.Tensor max = Slice(_max), sum = Slice(_sum), output = Slice(_output);
        torch.Tensor newMax = max.maximum(logits.amax([-1], keepdim: true));
        torch.Tensor rescale = (max - newMax).exp_(), weights = logits.sub_(newMax).exp_();
        sum.mul_(rescale).add_(weights.sum(-1, keepdim: true));
        output.mul_(rescale).add_(weights.bmm(values));
        max.copy_(newMax);

        // The heads of a group become rows of one matrix: they share their keys.
        torch.Tensor Slice(torch.Tensor all) => all.narrow(1, token, tokens).view(_kvHeads, tokens * _group, -1);
    }

    /// <summary>[1, tokens, 1, count]: true where a token does not see a key.</summary>
    private torch.Tensor Hidden(int position, int tokens, int first, int count)
    {
        torch.Tensor query = torch.arange(position, position + tokens, torch.ScalarType.Int64, _query.device).view(1, tokens, 1, 1);
        torch.Tensor key = torch.arange(first, first + count, torch.ScalarType.Int64, _query.device).view(1, 1, 1, count);
        torch.Tensor hidden = key.gt(query);
        return _window is { } window ? hidden.logical_or(key.le(query - window)) : hidden;
    }
}
