using System.Text.Json;
using Retrieval.Runtime.Policies;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

public sealed class RetrievalPolicyTests
{
    public static TheoryData<RetrievalPolicy, string> Policies => new()
    {
        { new FullPolicy(), """{"policy":"full","Sinks":64,"Window":512}""" },
        { new StreamingPolicy { Sinks = 4, Window = 1000 }, """{"policy":"streaming","Sinks":4,"Window":1000}""" },
        { new ExactPolicy { Budget = 7 }, """{"policy":"exact","Budget":7,"Sinks":64,"Window":512}""" },
    };

    [Theory]
    [MemberData(nameof(Policies))]
    public void JsonNamesThePolicyAndHoldsItsOptions(RetrievalPolicy policy, string json)
    {
        string written = JsonSerializer.Serialize(policy);
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(json).RootElement, JsonDocument.Parse(written).RootElement), written);
        RetrievalPolicy read = JsonSerializer.Deserialize<RetrievalPolicy>(written)!;
        Assert.Equal(policy, read);
        Assert.IsType(policy.GetType(), read);
    }

    [Fact]
    public void JsonMayLeaveOptionsOut()
    {
        Assert.Equal(new ExactPolicy(), JsonSerializer.Deserialize<RetrievalPolicy>("""{"policy":"exact"}"""));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<RetrievalPolicy>("""{"policy":"clever"}"""));
    }

    [Fact]
    public void EveryNameIsAPolicyOfThatName()
    {
        Assert.NotEmpty(RetrievalPolicy.Names);
        foreach (string name in RetrievalPolicy.Names)
        {
            RetrievalPolicy policy = RetrievalPolicy.FromName(name);
            Assert.Equal(name, policy.Name);
            policy.Validate();
            Assert.Equal(policy, JsonSerializer.Deserialize<RetrievalPolicy>($$"""{"policy":"{{name}}"}"""));
        }
        string message = Assert.Throws<InputException>(() => RetrievalPolicy.FromName("clever")).Message;
        Assert.All([.. RetrievalPolicy.Names, "clever"], name => Assert.Contains(name, message));
    }

    public static TheoryData<RetrievalPolicy, string> Wrong => new()
    {
        { new FullPolicy { Sinks = -3 }, "-3" },
        { new StreamingPolicy { Window = 0 }, "is 0 tokens" },
        { new StreamingPolicy { Window = -9 }, "-9" },
        { new ExactPolicy { Budget = 0 }, "budget is 0" },
        { new ExactPolicy { Sinks = -1 }, "-1" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void OptionsOutOfRangeAreRefusedWithTheValue(RetrievalPolicy policy, string inMessage)
        => Assert.Contains(inMessage, Assert.Throws<InputException>(policy.Validate).Message);

    [Fact]
    public void TheSmallestOptionsAreAllowed()
    {
        new StreamingPolicy { Sinks = 0, Window = 1 }.Validate();
        new ExactPolicy { Sinks = 0, Window = 1, Budget = 1 }.Validate();
    }
}
