using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>Lays out the codes of a block of rows as <see cref="CodeScan"/> reads them.</summary>
public static unsafe class CodePack
{
    /// <summary>Reference. As <see cref="Store"/>.</summary>
    public static void StoreReference(int* codes, int subspaces, byte* block)
    {
        new Span<byte>(block, CodeScan.BlockBytes(subspaces)).Clear();
        for (int s = 0; s < subspaces; s++)
        {
            for (int row = 0; row < CodeScan.BlockRows; row++, codes++)
                block[CodeScan.CodeOffset(s, row)] |= (byte)(CodeScan.IsUpper(s) ? *codes << 4 : *codes);
        }
    }

    /// <summary>The codes of sixteen rows, two in a byte.</summary>
    /// <param name="codes">[subspaces, 16], each below 16.</param>
    /// <param name="subspaces">A multiple of 8.</param>
    /// <param name="block">Receives <see cref="CodeScan.BlockBytes"/>.</param>
    public static void Store(int* codes, int subspaces, byte* block)
    {
        if (!Vector256.IsHardwareAccelerated)
        {
            StoreReference(codes, subspaces, block);
            return;
        }
        // A row's eight codes of an octet are its four bytes, that is one number of 32 bits: the lower nibbles first.
        for (int octet = 0; octet < subspaces / CodeScan.Octet; octet++, block += 4 * CodeScan.BlockRows)
        {
            Vector512<int> bytes = default;
            for (int i = 0; i < 4; i++, codes += CodeScan.BlockRows)
                bytes |= (Vector512.Load(codes) | Vector512.Load(codes + 4 * CodeScan.BlockRows) << 4) << (8 * i);
            bytes.Store((int*)block);
            codes += 4 * CodeScan.BlockRows;
        }
    }
}
