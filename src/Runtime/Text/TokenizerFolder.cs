using System.Text.Json;

namespace Retrieval.Runtime.Text;

/// <summary>Puts together the tokenizer files of a model folder.</summary>
internal static class TokenizerFolder
{
    public static TokenizerSpec ReadJson(string path) => TokenizerJson.Read(path);

    public static TokenizerSpec Read(string folder)
    {
        TokenizerSpec spec = TokenizerJson.Read(Path.Combine(folder, "tokenizer.json"));
        string config = Path.Combine(folder, "tokenizer_config.json");
        if (File.Exists(config))
        {
            var fields = new JsonFields(config);
            JsonElement root = fields.Load();
            spec = fields.Strictly(() => WithConfig(spec, fields, root));
        }
        string template = Path.Combine(folder, "chat_template.jinja");
        return File.Exists(template) ? spec with { ChatTemplate = File.ReadAllText(template) } : spec;
    }

    private static TokenizerSpec WithConfig(TokenizerSpec spec, JsonFields fields, JsonElement root)
    {
        int? bos = TokenId(spec, fields, root, "bos_token") ?? spec.BosId, eos = TokenId(spec, fields, root, "eos_token");
        spec = spec with { BosId = bos, EosId = eos, ChatTemplate = Template(fields, root) };
        // Only these classes rebuild the post-processor from their flags; the others keep what tokenizer.json says.
        if (fields.Text(root, "tokenizer_class") is not ("LlamaTokenizer" or "LlamaTokenizerFast" or "GemmaTokenizer" or "GemmaTokenizerFast"))
            return spec;
        return spec with
        {
            Prefix = Edge(spec.Prefix, bos, fields, root, "add_bos_token"),
            Suffix = Edge(spec.Suffix, eos, fields, root, "add_eos_token"),
        };
    }

    private static IReadOnlyList<int> Edge(IReadOnlyList<int> ids, int? token, JsonFields fields, JsonElement root, string flag)
    {
        if (token is not { } id || JsonFields.Member(root, flag) is null)
            return ids;
        return fields.Flag(root, flag) ? [id] : [];
    }

    private static int? TokenId(TokenizerSpec spec, JsonFields fields, JsonElement root, string name)
    {
        string? text = JsonFields.Member(root, name) is { ValueKind: JsonValueKind.Object } token
            ? fields.RequiredText(token, "content")
            : fields.Text(root, name);
        if (text is null)
            return null;
        return spec.Ids.TryGetValue(text, out int id) ? id : throw fields.Bad($"'{name}'", $"is '{text}', which is not in the vocabulary");
    }

    // Either one template, or a list of named ones of which "default" is for chat.
    private static string? Template(JsonFields fields, JsonElement root)
    {
        if (JsonFields.Member(root, "chat_template") is not { ValueKind: JsonValueKind.Array } list)
            return fields.Text(root, "chat_template");
        foreach (JsonElement item in list.EnumerateArray())
        {
            if (fields.RequiredText(item, "name") == "default")
                return fields.RequiredText(item, "template");
        }
        return null;
    }
}
