using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Measures all points on all files, one file a core.</summary>
internal static class FrontierRun
{
    /// <param name="paths">Files.</param>
    /// <param name="methods">Methods.</param>
    /// <param name="wanted">Which points; a method without any is not built.</param>
    /// <returns>Results file by file, in the order of the points.</returns>
    public static List<FrontierResult> Measure(IReadOnlyList<string> paths, IReadOnlyList<IFrontierMethod> methods, Func<FrontierPoint, bool> wanted, TextWriter progress)
    {
        var results = new List<FrontierResult>[paths.Count];
        try
        {
            Parallel.For(0, paths.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
            {
                using var file = QkvFile.Open(paths[i]);
                results[i] = [.. methods.SelectMany(method => Measure(file, method, wanted, progress))];
            });
        }
        catch (AggregateException failures)
        {
            ExceptionDispatchInfo.Throw(failures.InnerExceptions[0]);
        }
        return [.. results.SelectMany(list => list)];
    }

    private static List<FrontierResult> Measure(QkvFile file, IFrontierMethod method, Func<FrontierPoint, bool> wanted, TextWriter progress)
    {
        int[] points = [.. Enumerable.Range(0, method.Points.Count).Where(point => wanted(method.Points[point]))];
        if (points.Length == 0)
            return [];
        var clock = Stopwatch.StartNew();
        using IFarAttention attention = method.Build(file);
        double built = clock.Elapsed.TotalSeconds;
        List<FrontierResult> results = [.. points.Select(point => Measure(file, attention, point, method.Points[point].Name))];
        progress.WriteLine($"{file.Name}: {method.Points[points[0]].Family}, built in {built:F1} s, {points.Length} points in {clock.Elapsed.TotalSeconds - built:F1} s");
        return results;
    }

    private static FrontierResult Measure(QkvFile file, IFarAttention attention, int point, string name)
    {
        var far = new PartialMemory(file.Group, file.Dim);
        var errors = new float[file.Queries.Count * file.Group];
        long bytes = 0;
        for (int i = 0; i < file.Queries.Count; i++)
        {
            far.Partial.Clear();
            bytes += attention.Attend(point, file.Queries[i], far.Partial);
            file.Queries[i].Errors(far.Partial, errors.AsSpan(i * file.Group, file.Group));
        }
        GC.KeepAlive(far);
        return new FrontierResult(file.Name, name, 100.0 * bytes / file.Queries.Count / file.FarBytes, errors);
    }
}
