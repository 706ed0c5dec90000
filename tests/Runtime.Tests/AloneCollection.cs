using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Tests that run with no others beside them: they watch the process's memory, or keep every core busy for long.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
