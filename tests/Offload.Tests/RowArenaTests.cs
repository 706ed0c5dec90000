using System.Collections.Concurrent;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed unsafe class RowArenaTests
{
    private const long Block = 64 << 20;

    /// <summary>Pieces of odd sizes, and some beyond a block, are whole, at cache lines and apart.</summary>
    [Fact]
    public void PiecesDoNotTouch()
    {
        using var arena = new RowArena();
        long[] sizes = [1, 63, 64, 65, 4097, Block - 4096, 12_345, Block + 1, 7, Block, 100];
        RowArena.Piece[] pieces = [.. sizes.Select(arena.Take)];
        for (int i = 0; i < pieces.Length; i++)
        {
            Assert.Equal(0, (nint)pieces[i].Data % 64);
            (pieces[i].Data[0], pieces[i].Data[sizes[i] - 1]) = ((byte)(i + 1), (byte)(i + 1));
        }
        for (int i = 0; i < pieces.Length; i++)
        {
            Assert.Equal(((byte)(i + 1), (byte)(i + 1)), (pieces[i].Data[0], pieces[i].Data[sizes[i] - 1]));
            for (int j = 0; j < i; j++)
                Assert.True(pieces[i].Data + sizes[i] <= pieces[j].Data || pieces[j].Data + sizes[j] <= pieces[i].Data, $"pieces {j} and {i}");
        }
        foreach (RowArena.Piece piece in pieces)
            piece.GiveBack();
    }

    /// <summary>What was taken outlives the arena: forks share segments with a store that is gone.</summary>
    [Fact]
    public void PiecesOutliveTheirArena()
    {
        var arena = new RowArena();
        RowArena.Piece first = arena.Take(1000), second = arena.Take(1000);
        arena.Dispose();
        first.GiveBack();
        new Span<byte>(second.Data, 1000).Fill(7);
        Assert.False(new ReadOnlySpan<byte>(second.Data, 1000).ContainsAnyExcept((byte)7));
        second.GiveBack();
        Assert.True(second.Data == null);
        Assert.Throws<InvalidOperationException>(second.GiveBack);
        Assert.Throws<ObjectDisposedException>(() => arena.Take(1));
    }

    /// <summary>Builders of several layers take pieces beside each other.</summary>
    [Fact]
    public void ManyThreadsTakePieces()
    {
        using var arena = new RowArena();
        var taken = new ConcurrentBag<(nint Start, int Size, RowArena.Piece Piece)>();
        Parallel.For(0, 400, i =>
        {
            int size = 1 + i * 997 % 500_000;
            RowArena.Piece piece = arena.Take(size);
            piece.Data[size - 1] = 1;
            taken.Add(((nint)piece.Data, size, piece));
        });
        (nint Start, int Size, RowArena.Piece Piece)[] sorted = [.. taken.OrderBy(piece => piece.Start)];
        for (int i = 1; i < sorted.Length; i++)
            Assert.True(sorted[i - 1].Start + sorted[i - 1].Size <= sorted[i].Start);
        foreach ((_, _, RowArena.Piece piece) in sorted)
            piece.GiveBack();
    }
}
