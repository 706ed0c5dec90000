namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Names and their values. A loop's body and a macro have their own; what they set is gone after them.</summary>
internal sealed class Scope(Scope? parent)
{
    private readonly Dictionary<string, object?> _values = [];

    public object? this[string name]
    {
        get
        {
            for (Scope? scope = this; scope is not null; scope = scope.Parent)
            {
                if (scope._values.TryGetValue(name, out object? value))
                    return value;
            }
            return new Undefined(name);
        }
        set => _values[name] = value;
    }

    private Scope? Parent { get; } = parent;
}
