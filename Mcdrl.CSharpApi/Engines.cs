using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>What computes a model's answers. Safe to use from many threads.</summary>
internal interface IEngine : IDisposable
{
    IReadOnlyList<string> Classes { get; }

    SegmentationResult Segment(Picture picture, FSharpOption<Marginalisation>? mode);

    ExplanationResult Explain(Picture picture, FSharpOption<Marginalisation>? mode);

    /// <summary>Works on the items with all processors and hands the results on in order.</summary>
    void ForEach<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, TResult> work, Action<TResult> finished, CancellationToken cancellationToken);
}

/// <summary>The bounded pipeline of the F# side in C#'s types.</summary>
internal static class Ordered
{
    internal static FSharpFunc<TItem[], FSharpResult<Unit, McdrlError>> Pipeline<TItem, TResult>(
        Func<TItem, TResult> work, Action<TResult> finished, CancellationToken cancellationToken)
    {
        var handOn = FuncConvert.FromAction<TItem, TResult>((_, result) => finished(result));
        var compute = FuncConvert.FromFunc(work);

        return FuncConvert.FromFunc<TItem[], FSharpResult<Unit, McdrlError>>(
            items => ParallelModule.inOrder("", compute, handOn, items, ProgressModule.until(cancellationToken)));
    }
}

/// <summary>A model folder in libtorch.</summary>
internal sealed class TorchEngine(Segmenter segmenter) : IEngine
{
    public IReadOnlyList<string> Classes => [.. segmenter.Manifest.Classes];

    public SegmentationResult Segment(Picture picture, FSharpOption<Marginalisation>? mode) =>
        SegmenterModule.segment(segmenter, mode, picture);

    public ExplanationResult Explain(Picture picture, FSharpOption<Marginalisation>? mode) =>
        SegmenterModule.explain(segmenter, mode, picture);

    /// <summary>One torch thread an item, which is faster than all threads on one after the other.</summary>
    public void ForEach<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, TResult> work, Action<TResult> finished, CancellationToken cancellationToken) =>
        ParallelModule.sharingTorch([.. items], Ordered.Pipeline(work, finished, cancellationToken)).OrThrow();

    public void Dispose() => ((IDisposable)segmenter).Dispose();
}

/// <summary>An exported file in ONNX Runtime. It answers in the mode that it was exported for, and in no other.</summary>
internal sealed class ExportedEngine(OnnxEngine engine) : IEngine
{
    public IReadOnlyList<string> Classes => [.. engine.Facts.Classes];

    public SegmentationResult Segment(Picture picture, FSharpOption<Marginalisation>? mode)
    {
        if (mode is not null && !mode.Value.Equals(engine.Facts.Mode))
        {
            throw Refusal(
                $"the file was exported for the mode {engine.Facts.Mode}, not {mode.Value}",
                "Leave the mode to the model, or export the one that you want");
        }

        return OnnxEngineModule.segment(engine, picture).OrThrow();
    }

    public ExplanationResult Explain(Picture picture, FSharpOption<Marginalisation>? mode) =>
        throw Refusal("an exported model can't explain its answers", "Load the model's folder instead");

    public void ForEach<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, TResult> work, Action<TResult> finished, CancellationToken cancellationToken) =>
        Ordered.Pipeline(work, finished, cancellationToken).Invoke([.. items]).OrThrow();

    public void Dispose() => ((IDisposable)engine).Dispose();

    private static Exception Refusal(string what, string fix) =>
        Outcome.ToException(McdrlErrorModule.usage(what, "McdrlApi.LoadOnnx", fix));
}
