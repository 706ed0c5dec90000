using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>One budget of a method.</summary>
/// <param name="Name">Unique among all points.</param>
/// <param name="Family">What the plot draws as one line.</param>
/// <param name="Label">What the plot writes beside the point.</param>
internal sealed record FrontierPoint(string Name, string Family, string Label);

/// <summary>A way to attend to the far rows, at one budget or several.</summary>
internal interface IFrontierMethod
{
    IReadOnlyList<FrontierPoint> Points { get; }

    /// <summary>Builds on a file what all points share. The result serves one thread.</summary>
    IFarAttention Build(QkvFile file);
}

/// <summary>A method with its index over one file.</summary>
internal interface IFarAttention : IDisposable
{
    /// <summary>Attends to the far rows.</summary>
    /// <param name="point">Which of the method's points.</param>
    /// <param name="far">Receives the attention; empty at the start.</param>
    /// <returns>Bytes read for the whole group, index structures included.</returns>
    long Attend(int point, TestQuery query, AttentionPartial far);
}
