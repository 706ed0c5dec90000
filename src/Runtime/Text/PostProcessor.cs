using System.Text.Json;

namespace Retrieval.Runtime.Text;

/// <summary>What tokenizer.json puts around one text: ids before and after it.</summary>
internal sealed record PostProcessor(IReadOnlyList<int> Prefix, IReadOnlyList<int> Suffix)
{
    private static readonly PostProcessor Nothing = new([], []);

    public static PostProcessor Read(JsonFields fields, JsonElement? step, TokenTable tokens)
    {
        if (step is not { } post)
            return Nothing;
        switch (fields.RequiredText(post, "type"))
        {
            // Only moves offsets.
            case "ByteLevel":
                return Nothing;
            case "TemplateProcessing":
                fields.OnlyKnown(post, "post_processor", "type", "single", "pair", "special_tokens");
                return ReadTemplate(fields, post, tokens);
            case "Sequence":
                fields.OnlyKnown(post, "post_processor", "type", "processors");
                PostProcessor all = Nothing;
                foreach (JsonElement item in fields.Items(post, "processors"))
                {
                    // A later step works on the result of an earlier one, so its tokens go outside.
                    PostProcessor next = item.ValueKind == JsonValueKind.Object && fields.Text(item, "type") == "Sequence"
                        ? throw fields.Bad("post_processor", "has a Sequence inside a Sequence")
                        : Read(fields, item, tokens);
                    all = new([.. next.Prefix, .. all.Prefix], [.. all.Suffix, .. next.Suffix]);
                }
                return all;
            case var type:
                throw fields.Bad("post_processor", $"has the unknown type '{type}'");
        }
    }

    private static PostProcessor ReadTemplate(JsonFields fields, JsonElement post, TokenTable tokens)
    {
        List<int> prefix = [], suffix = [];
        int texts = 0;
        foreach (JsonElement item in fields.Items(post, "single"))
        {
            if (JsonFields.Member(item, "SpecialToken") is { } special)
                (texts == 0 ? prefix : suffix).AddRange(IdsOf(fields, post, fields.RequiredText(special, "id"), tokens));
            else if (JsonFields.Member(item, "Sequence") is { } text && fields.RequiredText(text, "id") == "A")
                texts++;
            else
                throw fields.Bad("post_processor", $"has the unknown template part {JsonFields.Shown(item)}");
        }
        return texts == 1 ? new(prefix, suffix) : throw fields.Bad("post_processor", $"has a template with the text {texts} times instead of once");
    }

    private static IEnumerable<int> IdsOf(JsonFields fields, JsonElement post, string name, TokenTable tokens)
    {
        JsonElement all = fields.Required(post, "special_tokens", JsonValueKind.Object);
        foreach (JsonElement item in fields.Items(fields.Required(all, name, JsonValueKind.Object), "ids"))
        {
            int id = fields.Number(item, $"id of '{name}' in post_processor");
            yield return tokens.TextOf(id) is not null ? id : throw fields.Bad("post_processor", $"names id {id}, which is no token");
        }
    }
}
