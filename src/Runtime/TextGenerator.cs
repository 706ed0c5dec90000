using System.Diagnostics;
using System.Numerics.Tensors;
using System.Text;
using Retrieval.Runtime.Sampling;
using Retrieval.Runtime.Text;

namespace Retrieval.Runtime;

/// <summary>Prompt in, text out: prefill, then a sampled token a step until an end token, a stop string, the limit or a cancel.</summary>
public static class TextGenerator
{
    /// <summary>Appends the prompt to the session and generates.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="onText">Receives text as it is certain (whole characters, no part of a stop string); null: none.</param>
    /// <param name="cancel">During prefill: throws and leaves the session as it was. Later: ends with what was generated.</param>
    /// <exception cref="ContextOverflowException">Prompt and MaxTokens exceed the engine's limit; nothing was done.</exception>
    public static GenerationResult Generate(
        Engine engine,
        Session session,
        ReadOnlySpan<int> prompt,
        GenerationOptions options,
        Action<string>? onText = null,
        IProgress<PrefillProgress>? progress = null,
        CancellationToken cancel = default)
    {
        options.Validate();
        if (prompt.IsEmpty)
            throw new InputException("The prompt is empty; give some text.");
        engine.RequireRoom((long)session.Length + prompt.Length + options.MaxTokens);

        var sampler = new Sampler(options.Sampling);
        foreach (int token in prompt)
            sampler.Accept(token);
        long begin = Stopwatch.GetTimestamp();
        session.Append(prompt, progress, cancel);
        TimeSpan prefill = Stopwatch.GetElapsedTime(begin);
        var output = new Output(engine.Tokenizer.CreateDetokenizer(continues: true), new StopStrings(options.Stop), onText);

        var tokens = new List<int>();
        FinishReason? finish = null;
        TimeSpan first = default, decode = default;
        int steps = 0;
        while (finish is null)
        {
            if (!TensorPrimitives.IsFiniteAll(session.Logits))
                throw new InputException($"{engine.ModelName} computed logits that are not finite numbers; its weights are damaged or its configuration does not belong to them.");
            int token = sampler.Sample(session.Logits);
            if (tokens.Count == 0)
                first = Stopwatch.GetElapsedTime(begin);
            if (!options.IgnoreEnd && engine.IsEnd(token))
            {
                finish = FinishReason.Stop;
                break;
            }
            tokens.Add(token);
            sampler.Accept(token);
            if (output.Push(token))
                finish = FinishReason.Stop;
            else if (tokens.Count == options.MaxTokens)
                finish = FinishReason.Length;
            else if (cancel.IsCancellationRequested)
                finish = FinishReason.Cancelled;
            else
                decode += Step(session, token, ref steps);
        }
        return new GenerationResult(output.Finish(), tokens, finish.Value, prompt.Length, prefill, first, decode, steps);
    }

    private static TimeSpan Step(Session session, int token, ref int steps)
    {
        long begin = Stopwatch.GetTimestamp();
        session.Append([token]);
        steps++;
        return Stopwatch.GetElapsedTime(begin);
    }

    /// <summary>Text on its way out: bytes become characters, stop strings are held back and looked for.</summary>
    private sealed class Output(StreamingDetokenizer detokenizer, StopStrings stops, Action<string>? onText)
    {
        private readonly StringBuilder _text = new();
        private bool _stopped;

        /// <summary>True when a stop string is complete.</summary>
        public bool Push(int token)
        {
            Emit(stops.Push(detokenizer.Push(token), out _stopped));
            return _stopped;
        }

        public string Finish()
        {
            if (!_stopped)
            {
                Emit(stops.Push(detokenizer.Flush(), out _stopped));
                if (!_stopped)
                    Emit(stops.Flush());
            }
            return _text.ToString();
        }

        private void Emit(string text)
        {
            if (text.Length == 0)
                return;
            _text.Append(text);
            onText?.Invoke(text);
        }
    }
}
