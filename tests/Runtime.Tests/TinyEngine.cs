using Retrieval.Offload;
using Retrieval.TestKit;

namespace Retrieval.Runtime.Tests;

/// <summary>An engine over a tiny random model in a folder of its own. Used and disposed on the test's thread.</summary>
internal sealed class TinyEngine : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <param name="gguf">Write GGUF instead of safetensors.</param>
    /// <param name="metadata">Further GGUF metadata.</param>
    /// <param name="rows">Rows that a policy indexes; 16-bit ones stay what they are.</param>
    public TinyEngine(
        TinyModel model, bool gguf = false, int chunk = 1024, int threads = 1, int? contextLimit = null,
        IReadOnlyDictionary<string, object>? metadata = null, RowFormat rows = RowFormat.I8)
    {
        string path = _folder[gguf ? "model.gguf" : "model"];
        if (gguf)
        {
            Dictionary<string, object> extra = TinyVocabulary.Gguf();
            foreach ((string key, object value) in metadata ?? new Dictionary<string, object>())
                extra[key] = value;
            model.WriteGguf(path, extra);
        }
        else
        {
            model.WriteSafetensors(path);
            TinyVocabulary.WriteJson(path);
        }
        Engine = Engine.Load(new EngineOptions
        {
            Model = path,
            Compute = ComputeType.Float32,
            PrefillChunk = chunk,
            Threads = threads,
            ContextLimit = contextLimit,
            KvRows = rows,
        });
    }

    public Engine Engine { get; }

    public void Dispose()
    {
        Engine.Dispose();
        _folder.Dispose();
    }
}
