namespace Retrieval.Runtime.Text.Jinja;

/// <summary>The name "loop" inside a for.</summary>
internal sealed class LoopState(List<object?> items, int index)
{
    public object? Member(string name, int line) => name switch
    {
        "index" => index + 1L,
        "index0" => (long)index,
        "revindex" => (long)(items.Count - index),
        "revindex0" => items.Count - index - 1L,
        "first" => index == 0,
        "last" => index == items.Count - 1,
        "length" => (long)items.Count,
        "previtem" => index > 0 ? items[index - 1] : new Undefined("loop.previtem"),
        "nextitem" => index + 1 < items.Count ? items[index + 1] : new Undefined("loop.nextitem"),
        "cycle" => new Function(call => call.Positional.Count > 0
            ? call.Positional[index % call.Positional.Count]
            : throw TemplateError.At(line, "loop.cycle needs values")),
        _ => throw TemplateError.At(line, $"'loop.{name}' is not supported"),
    };
}
