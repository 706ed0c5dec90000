namespace Retrieval.Runtime.Text;

/// <summary>Rewrites the text between added tokens before it is cut.</summary>
internal abstract class Normalizer
{
    public abstract string Apply(string text);
}

/// <summary>Puts a mark in front of text that is not empty (the ▁ of SentencePiece).</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override string Apply(string text) => text.Length == 0 ? text : prefix + text;
}

internal sealed class ReplaceNormalizer(string from, string to) : Normalizer
{
    public override string Apply(string text) => text.Replace(from, to, StringComparison.Ordinal);
}

/// <summary>Unicode normalization form C.</summary>
internal sealed class NfcNormalizer : Normalizer
{
    public override string Apply(string text) => CanonicalComposition.Compose(text);
}

/// <summary>Metaspace: spaces become the mark, and text that does not begin with one gets one.</summary>
internal sealed class MetaspaceNormalizer(char mark, bool prepend) : Normalizer
{
    public override string Apply(string text)
    {
        text = text.Replace(' ', mark);
        return prepend && text.Length > 0 && text[0] != mark ? mark + text : text;
    }
}

internal sealed class NormalizerSequence(IReadOnlyList<Normalizer> steps) : Normalizer
{
    public override string Apply(string text)
    {
        foreach (Normalizer step in steps)
            text = step.Apply(text);
        return text;
    }
}
