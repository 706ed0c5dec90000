using System.Text.Json;
using Retrieval.Index;
using Retrieval.Runtime.Policies;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

public sealed class IvfPqPolicyTests
{
    [Fact]
    public void JsonHoldsEveryOption()
    {
        RetrievalPolicy policy = new IvfPqPolicy
        {
            Sinks = 7,
            Window = 99,
            RowsPerList = 48,
            ListsMost = 333,
            OpenShare = 0.25,
            OpenMost = 1000,
            KeyShare = 0.125,
            KeysMost = 300,
            ValueShare = 0.0625,
            ValuesMost = 200,
            SharpOpenMost = 7000,
            ListShare = 0.003,
            RowShare = 0.004,
            MaxError = 0.02,
            DensePrefill = 4096,
            CarefulPrefill = 17,
            PrefillOpenMost = 3000,
            PrefillRowsMost = 70,
            PrefillListShare = 0.001,
            PrefillRowShare = 0.002,
        };
        string json = JsonSerializer.Serialize(policy);
        Assert.Contains("\"policy\":\"ivf-pq\"", json);
        Assert.DoesNotContain("Index", json);
        RetrievalPolicy read = JsonSerializer.Deserialize<RetrievalPolicy>(json)!;
        Assert.Equal(policy, Assert.IsType<IvfPqPolicy>(read));
        Assert.Equal(new IvfPqPolicy { KeysMost = 5 }, JsonSerializer.Deserialize<RetrievalPolicy>("""{"policy":"ivf-pq","KeysMost":5}"""));
        Assert.Equal(new IvfPqPolicy { MaxError = 0.5 }, JsonSerializer.Deserialize<RetrievalPolicy>("""{"policy":"ivf-pq","MaxError":0.5}"""));
    }

    public static TheoryData<IvfPqPolicy, string> Wrong => new()
    {
        { new IvfPqPolicy { Sinks = -1 }, "sink tokens is -1" },
        { new IvfPqPolicy { Window = 0 }, "window is 0" },
        { new IvfPqPolicy { RowsPerList = 0 }, "rows of a list is 0" },
        { new IvfPqPolicy { ListsMost = 0 }, "lists that are scored is 0" },
        { new IvfPqPolicy { OpenMost = 0 }, "codes are read is 0" },
        { new IvfPqPolicy { KeysMost = -5 }, "keys are read is -5" },
        { new IvfPqPolicy { ValuesMost = 0 }, "values are read is 0" },
        { new IvfPqPolicy { OpenShare = 0 }, "codes are read is 0" },
        { new IvfPqPolicy { OpenShare = 1.5 }, "codes are read is 1.5" },
        { new IvfPqPolicy { KeyShare = -0.1 }, "keys are read is -0.1" },
        { new IvfPqPolicy { KeyShare = double.NaN }, "keys are read is NaN" },
        { new IvfPqPolicy { ValueShare = double.PositiveInfinity }, "values are read is" },
        { new IvfPqPolicy { SharpOpenMost = 0 }, "sharp head is 0" },
        { new IvfPqPolicy { ListShare = -0.1 }, "must promise are -0.1" },
        { new IvfPqPolicy { RowShare = 1 }, "and 1" },
        { new IvfPqPolicy { DensePrefill = -1 }, "exact attention is -1" },
        { new IvfPqPolicy { CarefulPrefill = -2 }, "a decode step is -2" },
        { new IvfPqPolicy { PrefillOpenMost = 0 }, "token of a prompt reads is 0" },
        { new IvfPqPolicy { PrefillRowsMost = -3 }, "token of a prompt reads is -3" },
        { new IvfPqPolicy { PrefillListShare = 1 }, "prefill are 1 and" },
        { new IvfPqPolicy { PrefillRowShare = double.NaN }, "and NaN" },
        { new IvfPqPolicy { MaxError = 1 }, "error target is 1" },
        { new IvfPqPolicy { MaxError = -0.01 }, "error target is -0.01" },
        { new IvfPqPolicy { MaxError = double.NaN }, "error target is NaN" },
        { new IvfPqPolicy { MaxError = double.PositiveInfinity }, "error target is" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void OptionsOutOfRangeAreRefusedWithTheValue(IvfPqPolicy policy, string inMessage)
        => Assert.Contains(inMessage, Assert.Throws<InputException>(policy.Validate).Message);

    [Fact]
    public void TheExtremesAreAllowed()
    {
        new IvfPqPolicy { Sinks = 0, Window = 1, RowsPerList = 1, OpenMost = 1, KeysMost = 1, ValuesMost = 1 }.Validate();
        new IvfPqPolicy { MaxError = 0 }.Validate();
        new IvfPqPolicy { MaxError = Math.BitDecrement(1.0) }.Validate();
        new IvfPqPolicy { OpenShare = 1, KeyShare = 1, ValueShare = 1, OpenMost = int.MaxValue, KeysMost = int.MaxValue, ValuesMost = int.MaxValue, ListShare = 0, RowShare = 0 }.Validate();
    }

    [Fact]
    public void AnErrorTargetLeavesNoOtherBudgets()
    {
        Assert.Equal(0, new IvfPqPolicy().Budget(100_000).MaxError);
        var unbounded = new CascadeBudget(int.MaxValue, int.MaxValue, int.MaxValue) { MaxError = 0.05f };
        Assert.Equal(unbounded, new IvfPqPolicy { MaxError = 0.05, OpenMost = 10, KeysMost = 10, ValuesMost = 10 }.Budget(100_000));
    }

    [Fact]
    public void BudgetsGrowWithTheTokensBetweenOneAndTheMost()
    {
        var policy = new IvfPqPolicy { OpenShare = 0.5, OpenMost = 1000, KeyShare = 0.25, KeysMost = 400, ValueShare = 0.1, ValuesMost = 30, ListShare = 0, RowShare = 0 };
        Assert.Equal((500, 250, 30), Rows(policy.Budget(1000)));
        Assert.Equal((1000, 400, 30), Rows(policy.Budget(int.MaxValue)));
        Assert.Equal((1, 1, 1), Rows(policy.Budget(1)));
        Assert.Equal((4, 2, 1), Rows(policy.Budget(7)));
        var all = new IvfPqPolicy { OpenShare = 1, KeyShare = 1, ValueShare = 1, OpenMost = int.MaxValue, KeysMost = int.MaxValue, ValuesMost = int.MaxValue, ListShare = 0, RowShare = 0 };
        Assert.Equal((123457, 123457, 123457), Rows(all.Budget(123457)));
    }

    /// <summary>A large budget needs lists to choose from: four for each that can be opened.</summary>
    [Fact]
    public void ListsToChooseFromGrowWithWhatIsOpened()
    {
        Assert.Equal(1024, new IvfPqPolicy().Budget(1_048_576).Lists);
        var wide = new IvfPqPolicy { OpenShare = 1, OpenMost = 262_144 };
        Assert.Equal(4 * 131_072 / 64, wide.Budget(131_072).Lists);
        Assert.Equal(4 * 262_144 / 64, wide.Budget(1_048_576).Lists);
        Assert.Equal(50_000, new IvfPqPolicy { ListsMost = 50_000 }.Budget(1000).Lists);
    }

    private static (int Opened, int Keys, int Values) Rows(CascadeBudget budget) => (budget.Opened, budget.Keys, budget.Values);
}
