using System.Buffers.Binary;
using Xunit;

namespace Retrieval.Index.Tests.Persistence;

public sealed class IndexFileTests
{
    public static TheoryData<string> Names => [.. SavedIndex.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void WhatIsLoadedIsWhatWasSaved(string name)
    {
        SavedIndex built = SavedIndex.Build(name);
        byte[] file = built.Save();
        SavedIndex loaded = SavedIndex.Load(name, file);
        Assert.Equal(file, loaded.Save());
        Assert.Equal(built.Search(), loaded.Search());
        Assert.Equal(built.AppendAndSearch(), loaded.AppendAndSearch());
    }

    [Fact]
    public void FilesMayFollowOneAnother()
    {
        using var stream = new MemoryStream();
        foreach (string name in SavedIndex.Names)
            stream.Write(SavedIndex.Build(name).Save());
        stream.Position = 0;
        foreach (string name in SavedIndex.Names)
            Assert.Equal(SavedIndex.Build(name).Search(), SavedIndex.Load(name, stream).Search());
        Assert.Equal(stream.Length, stream.Position);
    }

    /// <summary>A stream that cannot seek and gives a few bytes at a time, like a network.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void SlowStreamsAreRead(string name)
    {
        byte[] file = SavedIndex.Build(name).Save();
        Assert.Equal(file, SavedIndex.Load(name, new TrickleStream(file)).Save());
    }

    [Fact]
    public void TheFormatDoesNotChangeUnnoticed()
    {
        byte[] file = SavedIndex.Build("flat").Save();
        Assert.Equal("525452564C49445806000000010000001000000007000000640000000000000000000000000000001BAAB33100000000", Convert.ToHexString(file));
    }

    [Theory]
    [InlineData("pages", "flat", "kind Page and not Flat")]
    [InlineData("flat", "keys", "kind Flat and not IvfPqKeys")]
    public void AnotherKindIsNamed(string saved, string loaded, string message)
        => Assert.Contains(message, Assert.Throws<InvalidDataException>(() => SavedIndex.Load(loaded, SavedIndex.Build(saved).Save())).Message);

    [Theory]
    [InlineData("flat")]
    [InlineData("pages")]
    [InlineData("keys")]
    public void OtherRowsAreRefused(string name)
    {
        byte[] file = SavedIndex.Build(name).Save();
        var shape = Assert.Throws<InvalidDataException>(() => SavedIndex.Load(name, new MemoryStream(file), dim: 32));
        Assert.Contains("16 elements", shape.Message);
        var few = Assert.Throws<InvalidDataException>(() => SavedIndex.Load(name, new MemoryStream(file), available: 60));
        Assert.Contains("there are 60", few.Message);
    }

    [Fact]
    public void AnotherVersionIsNamed()
    {
        byte[] file = SavedIndex.Build("pages").Save();
        file[8] = 9;
        Assert.Contains("version 9 and this program reads version 6", Assert.Throws<InvalidDataException>(() => SavedIndex.Load("pages", file)).Message);
    }

    [Fact]
    public void AnotherFileIsNoIndex()
    {
        Assert.Contains("no index", Assert.Throws<InvalidDataException>(() => SavedIndex.Load("flat", "GGUF, with much behind it"u8.ToArray())).Message);
        Assert.Contains("no index", Assert.Throws<InvalidDataException>(() => SavedIndex.Load("flat", [])).Message);
    }

    [Fact]
    public void ChecksumIsCrc32C()
    {
        // The check value of CRC-32/ISCSI; in two portions, so that eight bytes at a time and single ones both take part.
        Assert.Equal(0xE3069283u, Crc32C.Of("123456789"u8));
        var crc = new Crc32C();
        crc.Add("1"u8);
        crc.Add("23456789"u8);
        Assert.Equal(0xE3069283u, crc.Value);
    }

    /// <summary>Sets four bytes of the header and makes its checksum right again.</summary>
    public static byte[] WithHeader(byte[] file, int offset, int value)
    {
        byte[] changed = [.. file];
        BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(offset), value);
        return WithChecksums(changed);
    }

    /// <summary>Makes both checksums right.</summary>
    public static byte[] WithChecksums(byte[] file)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(40), Crc32C.Of(file.AsSpan(0, 40)));
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(file.Length - 4), Crc32C.Of(file.AsSpan(44..^4)));
        return file;
    }
}

/// <summary>Reads a few bytes at a time and cannot seek.</summary>
internal sealed class TrickleStream(byte[] bytes) : Stream
{
    private int _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        int some = Math.Min(Math.Min(count, 1013), bytes.Length - _position);
        bytes.AsSpan(_position, some).CopyTo(buffer.AsSpan(offset));
        _position += some;
        return some;
    }

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
