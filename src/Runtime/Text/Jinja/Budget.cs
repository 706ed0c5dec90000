using System.Runtime.CompilerServices;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>
/// What one rendering may use, so that a hostile template is refused instead of hanging: steps, characters in a text and
/// levels of nesting. Work on text costs steps by its length.
/// </summary>
internal sealed class Budget
{
    /// <summary>Steps of one rendering; about a second. Rendering real chats needs some hundred a message.</summary>
    public const long Steps = 5_000_000;

    /// <summary>Characters of any text, the result included.</summary>
    public const long Characters = 1L << 26;

    private const int Deepest = 400;

    private const int CharactersPerStep = 64;

    private long _left = Steps;

    private int _depth;

    /// <summary>Pays for handling so many values.</summary>
    public void Spend(int line, long steps = 1)
    {
        if ((_left -= steps) < 0)
            throw TemplateError.At(line, $"rendering takes more than {Steps:N0} steps");
    }

    /// <summary>Pays for making or scanning a text of so many characters, before it exists.</summary>
    public void SpendText(int line, long characters)
    {
        if (characters > Characters)
            throw TemplateError.At(line, $"a text of more than {Characters:N0} characters would be made");
        Spend(line, 1 + characters / CharactersPerStep);
    }

    public void Enter(int line)
    {
        Spend(line);
        if (++_depth > Deepest || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw TemplateError.At(line, $"rendering is nested more than {Deepest} deep");
    }

    public void Leave() => _depth--;
}
