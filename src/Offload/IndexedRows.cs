using Retrieval.Index;

namespace Retrieval.Offload;

/// <summary>Rows of one layer, [First, …), that indexes speak for while a prompt is read.</summary>
/// <param name="Indexes">[kvHeads], of like segments.</param>
/// <param name="Packed">[kvHeads][segments]: their packed rows.</param>
/// <param name="First">Number of the first row; those before it are attended to exactly.</param>
/// <param name="Window">Rows before a token, itself included, that are attended to exactly at least.</param>
/// <param name="Budget">What a token reads.</param>
/// <param name="Careful">What a token reads from position <paramref name="CarefulFrom"/> on.</param>
/// <param name="Placement">Where indexed keys stand for queries; null: where they stood.</param>
public sealed record IndexedRows(IvfPqIndex[] Indexes, PackedRows[][] Packed, int First, int Window, BlockBudget Budget, BlockBudget Careful, int CarefulFrom, FarPlacement? Placement = null)
{
    /// <summary>What tokens up to a position, exclusive, read.</summary>
    public BlockBudget BudgetUntil(int end) => end > CarefulFrom ? Careful : Budget;

    /// <summary>Segments that a token searches: all of their rows stand before its window.</summary>
    public int Segments(int position) => Indexes[0].SegmentsBefore(position + 1 - Window);

    /// <summary>Row after the last of so many segments.</summary>
    public int End(int segments) => Indexes[0].EndOf(segments);
}
