using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>What one policy needs for a question about a text that has been read.</summary>
/// <param name="Question">From the question to the first token of the answer.</param>
internal sealed record DemoCosts(string Policy, SessionMemory Memory, TimeSpan Question, double MillisecondsPerToken)
{
    /// <summary>The costs side by side with those of full attention over the same text, if that is another policy.</summary>
    public static void Write(TextWriter writer, TimeSpan reading, DemoCosts own, DemoCosts? full, long resident)
    {
        DemoCosts[] columns = full is null ? [own] : [own, full];
        var table = new TextTable(["", .. columns.Select(column => column == full ? "full attention" : column.Policy)]);
        Row("device memory", column => Units.Bytes(column.Memory.DeviceBytes));
        Row("KV cache on the host", column => Units.Bytes(column.Memory.HostKvBytes));
        Row("index", column => Units.Bytes(column.Memory.IndexBytes));
        Row("resident memory of the process", _ => Units.Bytes(resident));
        Row("time to first token, text not read yet", column => Units.Time(reading + column.Question));
        Row("time to first token, text read", column => Units.Time(column.Question));
        Row("time per token", column => Units.Milliseconds(column.MillisecondsPerToken));
        table.Write(writer);

        void Row(string name, Func<DemoCosts, string> cell) => table.Add([name, .. columns.Select(cell)]);
    }
}
