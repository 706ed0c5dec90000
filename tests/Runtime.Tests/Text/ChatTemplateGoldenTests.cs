using System.Text.Json;
using Retrieval.Runtime.Text;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>Renderings of real templates against those of another Jinja.</summary>
public sealed class ChatTemplateGoldenTests
{
    [SkippableTheory]
    [InlineData("qwen3")]
    [InlineData("llama3_1")]
    [InlineData("smollm2")]
    public void Renders_every_case(string model)
    {
        TextTokenizer tokenizer = model == "smollm2"
            ? TextTokenizer.FromGguf(GgufMetadata.Read(Shared.Need("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf")))
            : TextTokenizer.FromFolder(Shared.Need("tokenizers/" + model));
        ChatTemplate template = ChatTemplate.Parse(tokenizer.ChatTemplateSource!);
        Dictionary<string, object?> variables = new() { ["bos_token"] = tokenizer.BosText, ["eos_token"] = tokenizer.EosText };
        using JsonDocument golden = Shared.Json("golden/chat-templates.json");
        int cases = 0;
        foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray().Where(c => c.GetProperty("model").GetString() == model))
        {
            ChatMessage[] messages = [.. item.GetProperty("messages").EnumerateArray()
                .Select(m => new ChatMessage(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!))];
            Assert.Equal(item.GetProperty("rendered").GetString(), template.Render(messages, item.GetProperty("add_generation_prompt").GetBoolean(), variables));
            cases++;
        }
        Assert.Equal(8, cases);
    }

    [SkippableFact]
    public void Qwen3_writes_tools_as_json_and_closes_thinking()
    {
        TextTokenizer tokenizer = TextTokenizer.FromFolder(Shared.Need("tokenizers/qwen3"));
        ChatTemplate template = ChatTemplate.Parse(tokenizer.ChatTemplateSource!);
        using JsonDocument tools = JsonDocument.Parse("""[{"name":"f","arguments":{"x":1.5,"y":[true,null,"é\n"]}}]""");
        Dictionary<string, object?> variables = new() { ["tools"] = tools.RootElement, ["enable_thinking"] = false };
        string text = template.Render([new("system", "S"), new("user", "U")], true, variables);
        Assert.StartsWith("<|im_start|>system\nS\n\n# Tools\n\n", text);
        Assert.Contains("\n{\"name\": \"f\", \"arguments\": {\"x\": 1.5, \"y\": [true, null, \"é\\n\"]}}\n</tools>", text);
        Assert.EndsWith("<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", text);
        string answered = template.Render([new("user", "U"), new("assistant", "<think>\nhm\n</think>\n\nA"), new("user", "V")], false);
        Assert.Equal("<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nV<|im_end|>\n", answered);
    }

    [Fact]
    public void Template_in_the_repository_renders_to_prompts_of_its_model()
    {
        TextTokenizer tokenizer = TextTokenizer.FromFolder(Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"));
        string text = ChatTemplate.Parse(tokenizer.ChatTemplateSource!).Render([new("user", "Hi"), new("assistant", "A"), new("user", "B")], true);
        Assert.Equal("<|user|>Hi<|assistant|>A<|endoftext|><|user|>B<|assistant|>", text);
        Assert.Equal([1, 2, 0, 1, 2], tokenizer.Encode(text).Where(tokenizer.IsSpecial));
    }
}
