using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>Says on standard error what a long prompt will take, before it is read; short prompts show nothing.</summary>
internal static class PlanDisplay
{
    /// <summary>From so many tokens on a plan is shown and the machine's speed is measured for it.</summary>
    public const int LongPrompt = 32_768;

    // Or from this share of the memory that is available on.
    private const double LargeShare = 0.25;

    /// <summary>The plan for so many further tokens, shown if it is worth it.</summary>
    public static MemoryPlan Show(TextWriter writer, Session session, int[] tokens)
    {
        MemoryPlan plan = session.Plan(tokens.Length);
        if (tokens.Length < LongPrompt && plan.HostNeededBytes < LargeShare * plan.HostAvailableBytes)
            return plan;
        // Measured before anything large is there; a prompt that does not fit is not worth the measurement.
        if (plan.HostNeededBytes <= plan.HostAvailableBytes)
            plan = session.TimedPlan(tokens);
        Write(writer, plan, session.Policy.Name);
        return plan;
    }

    public static void Write(TextWriter writer, MemoryPlan plan, string policy)
    {
        writer.WriteLine($"To read {Units.Count(plan.Tokens)} tokens under {policy}:");
        Row("device memory", plan.DeviceBytes,
            $"weights {Units.Bytes(plan.DeviceWeightBytes)}, sinks and window {Units.Bytes(plan.DeviceWindowBytes)}, activations {Units.Bytes(plan.DeviceWorkBytes)}"
            + (plan.DeviceIsHost ? "; a part of host memory" : ""));
        Row("host memory, peak", plan.HostPeakBytes,
            $"held now {Units.Bytes(plan.HostHeldBytes)}, {Units.Bytes(plan.HostNeededBytes)} more of {Units.Bytes(plan.HostAvailableBytes)} available:");
        Row("  KV rows", plan.HostSettledKvBytes + plan.HostWaitingKvBytes,
            plan.HostWaitingKvBytes == 0 ? "" : $"{Units.Bytes(plan.HostWaitingKvBytes)} of them in 16 bits; {Units.Bytes(plan.HostKvBytes)} stay");
        Row("  index", plan.HostIndexBytes, "stays");
        Row("  hidden states", plan.HostHiddenBytes, "float32; freed when the text is read");
        Row("  work", plan.HostWorkBytes, "weights in use, activations, building of indexes");
        Row("disk", plan.DiskBytes, "nothing is written");
        if (plan.PrefillSeconds is double prefill)
            Line("time to read", "about " + Units.Time(TimeSpan.FromSeconds(prefill)), "from one layer and the text's first tokens, measured just now");
        if (plan.MsPerToken is double token)
            Line("time per token", "about " + Units.Milliseconds(token), "from a measured step, and for far tokens from measurements on another machine");

        void Row(string name, long bytes, string note) => Line(name, Units.Bytes(bytes), note);

        void Line(string name, string value, string note) => writer.WriteLine($"  {name,-17} {value,13}  {note}".TrimEnd());
    }
}
