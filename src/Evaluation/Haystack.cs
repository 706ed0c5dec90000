namespace Retrieval.Evaluation;

/// <summary>A long text with needles in it.</summary>
/// <param name="Text">The whole text.</param>
/// <param name="Tokens">Its length in model tokens, counted over the whole text.</param>
/// <param name="Needles">In the order of the text.</param>
public sealed record Haystack(string Text, int Tokens, IReadOnlyList<PlacedNeedle> Needles);

/// <param name="Depth">Share of the text before the needle, 0 to 1.</param>
public sealed record PlacedNeedle(Needle Needle, double Depth);
