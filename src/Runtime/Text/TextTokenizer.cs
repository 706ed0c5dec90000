namespace Retrieval.Runtime.Text;

public sealed class TextTokenizer
{
    public static TextTokenizer FromFolder(string folder) => throw new NotImplementedException();
    public static TextTokenizer FromTokenizerJson(string path) => throw new NotImplementedException();
    public static TextTokenizer FromGguf(IReadOnlyDictionary<string, object> metadata) => throw new NotImplementedException();
    public int[] Encode(string text, bool addSpecial = false, bool parseSpecial = true) => throw new NotImplementedException();
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false) => throw new NotImplementedException();
    public int VocabularySize => throw new NotImplementedException();
    public int? BosId => throw new NotImplementedException();
    public bool AddsBos => throw new NotImplementedException();
    public IReadOnlySet<int> EndIds => throw new NotImplementedException();
    public string? ChatTemplateSource => throw new NotImplementedException();
}

public sealed class ChatTemplate
{
    public static ChatTemplate Parse(string source) => throw new NotImplementedException();
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? variables = null) => throw new NotImplementedException();
}

public sealed record ChatMessage(string Role, string Content);
