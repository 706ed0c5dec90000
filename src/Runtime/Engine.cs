using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Text;

namespace Retrieval.Runtime;

/// <summary>
/// A model, loaded once: it owns the device, the weights and the tokenizer, and creates sessions.
/// Not thread-safe: an engine and its sessions are used from one thread at a time, the one that loaded it.
/// </summary>
public sealed class Engine : IDisposable
{
    /// <summary>Opens the checkpoint and puts its weights on the device.</summary>
    /// <exception cref="InputException">The model cannot be read, the device does not exist, an option is out of range.</exception>
    public static Engine Load(EngineOptions options) => throw new NotImplementedException();

    public EngineOptions Options => throw new NotImplementedException();

    /// <summary>Name of the model, for people.</summary>
    public string ModelName => throw new NotImplementedException();

    public ModelConfig Config => throw new NotImplementedException();

    public TextTokenizer Tokenizer => throw new NotImplementedException();

    /// <summary>The model's chat template; null: it has none.</summary>
    public ChatTemplate? ChatTemplate => throw new NotImplementedException();

    /// <summary>Most tokens a session may hold.</summary>
    public int ContextLimit => throw new NotImplementedException();

    /// <summary>Bytes of the weights on the device.</summary>
    public long WeightBytes => throw new NotImplementedException();

    /// <summary>Bytes of the checkpoint files.</summary>
    public long FileBytes => throw new NotImplementedException();

    /// <summary>An empty token sequence under the engine's policy, or under another one.</summary>
    public Session NewSession(RetrievalPolicy? policy = null) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
