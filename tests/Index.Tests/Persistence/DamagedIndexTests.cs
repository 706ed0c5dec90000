using System.Buffers.Binary;
using Xunit;

namespace Retrieval.Index.Tests.Persistence;

/// <summary>Whatever happens to a file, loading says so and takes no memory for what is not there.</summary>
public sealed class DamagedIndexTests
{
    private const long FewBytes = 8 << 20;

    public static TheoryData<string> Names => [.. SavedIndex.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryFlippedBitIsFound(string name)
    {
        byte[] file = SavedIndex.Build(name).Save();
        for (int i = 0; i < file.Length; i += i < 64 || i > file.Length - 64 ? 1 : 13)
        {
            byte kept = file[i];
            file[i] ^= (byte)(1 << i % 8);
            Refused(name, () => new MemoryStream(file), $"bit {i % 8} of byte {i} flipped");
            file[i] = kept;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryTruncationIsFound(string name)
    {
        byte[] file = SavedIndex.Build(name).Save();
        for (int length = 0; length < file.Length; length += length < 64 || length > file.Length - 64 ? 1 : 59)
        {
            byte[] part = file[..length];
            Refused(name, () => new MemoryStream(part), $"cut to {length} of {file.Length} bytes");
            Refused(name, () => new TrickleStream(part), $"cut to {length} of {file.Length} bytes, no seeking");
        }
    }

    /// <summary>Sizes in a header that is otherwise right, over a stream that does not know its length.</summary>
    [Theory]
    [InlineData("flat", 36, 1 << 28)]
    [InlineData("pages", 36, 1 << 28)]
    [InlineData("ivf-pq", 36, 1 << 28)]
    [InlineData("keys", 36, 1 << 28)]
    [InlineData("flat", 36, -1)]
    [InlineData("flat", 16, int.MaxValue)]
    [InlineData("pages", 16, 0)]
    [InlineData("ivf-pq", 16, 4096)]
    [InlineData("ivf-pq", 16, 4097)]
    [InlineData("keys", 16, -1)]
    [InlineData("flat", 20, int.MaxValue)]
    [InlineData("pages", 24, int.MaxValue)]
    [InlineData("pages", 24, -1)]
    [InlineData("pages", 24, 1 << 30)]
    [InlineData("ivf-pq", 24, 1 << 30)]
    [InlineData("ivf-pq", 24, 139)]
    [InlineData("ivf-pq", 24, 141)]
    [InlineData("keys", 24, 1 << 30)]
    [InlineData("keys", 24, 95)]
    [InlineData("keys", 24, 145)]
    [InlineData("flat", 28, 1)]
    public void AbsurdHeadersAreRefused(string name, int offset, int value)
    {
        byte[] file = IndexFileTests.WithHeader(SavedIndex.Build(name).Save(), offset, value);
        Refused(name, () => new TrickleStream(file), $"{value} at {offset}");
        // As long as the header says, so that only the payload can be wrong.
        if (offset != 36)
            Refused(name, () => new MemoryStream(file), $"{value} at {offset}");
    }

    /// <summary>Damage with right checksums: refused, or an index that is wrong but harms nobody.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void ForgeriesAreRefusedOrHarmless(string name)
    {
        byte[] original = SavedIndex.Build(name).Save();
        var random = new Random(1);
        int refused = 0, payload = original.Length - IndexFile.HeaderBytes - 4;
        for (int trial = 0; payload > 0 && trial < 600; trial++)
        {
            byte[] file = [.. original];
            int at = IndexFile.HeaderBytes + random.Next(payload / 4) * 4;
            if (trial % 2 == 0)
                file[at + random.Next(4)] = (byte)random.Next(256);
            else
                BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), random.Next(4) switch { 0 => -1, 1 => int.MaxValue, 2 => 0x7FC00000, _ => random.Next(-1000, 1000) });
            IndexFileTests.WithChecksums(file);
            try
            {
                SavedIndex.Load(name, file).Search();
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.True(payload == 0 || refused > 0, "no forgery was noticed");
    }

    private static void Refused(string name, Func<Stream> file, string what)
    {
        Stream stream = file();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? thrown = Record.Exception(() => SavedIndex.Load(name, stream));
        long taken = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(thrown is InvalidDataException, $"{name}, {what}: {thrown?.ToString() ?? "loaded"}");
        Assert.True(taken < FewBytes, $"{name}, {what}: {taken:N0} bytes were allocated");
    }
}
