namespace Retrieval.Runtime.Models;

/// <summary>A tensor as a file lists it, before anyone asked whether the model needs it.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">Element type, or null when this program cannot compute with it.</param>
/// <param name="TypeName">The file's own word for the type.</param>
/// <param name="Shape">Row-major: rows first, columns last.</param>
/// <param name="Data">Address of the first byte.</param>
/// <param name="Bytes">Length in bytes, inside the file.</param>
internal sealed record FileTensor(string Name, TensorType? Type, string TypeName, IReadOnlyList<long> Shape, nint Data, long Bytes);
