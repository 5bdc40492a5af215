using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>The entry to Mcdrl for applications that carry ONNX Runtime alone: neither this package nor what it stands on
/// needs libtorch. Not for clinical use.</summary>
/// <example><code>
/// using var model = McdrlOnnx.Load("model.onnx");
/// Segmentation found = model.Segment("frame.png");
/// </code></example>
public static class McdrlOnnx
{
    /// <summary>Loads a file that <c>mcdrl export onnx</c> wrote, to be run by ONNX Runtime on the processor. The model answers in
    /// the mode that it was exported for and can't explain.</summary>
    /// <param name="file">The ONNX file.</param>
    /// <returns>The model; dispose it when done. One instance serves any number of threads.</returns>
    /// <exception cref="McdrlModelException">It is missing, no such file, or damaged.</exception>
    /// <exception cref="McdrlResourceException">The file can't be read, or ONNX Runtime is not there.</exception>
    public static McdrlModel Load(string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Ready(OnnxEngineModule.load(file, 0));
    }

    /// <summary><see cref="Load(string)"/> for the bytes of such a file, for instance an embedded resource.</summary>
    /// <inheritdoc cref="Load(string)"/>
    /// <param name="content">All bytes of the file. They may change once this has returned.</param>
    public static McdrlModel Load(ReadOnlyMemory<byte> content) => Ready(OnnxEngineModule.ofBytes(InMemory, 0, content.ToArray()));

    /// <summary><see cref="Load(string)"/> from a stream, from where it stands to its end. What reading throws is passed on.</summary>
    /// <inheritdoc cref="Load(string)"/>
    /// <param name="content">The stream, which is left open.</param>
    public static McdrlModel Load(Stream content)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var memory = new MemoryStream();
        content.CopyTo(memory);
        return Ready(OnnxEngineModule.ofBytes(InMemory, 0, memory.ToArray()));
    }

    private const string InMemory = "the model in memory";

    private static McdrlModel Ready(FSharpResult<OnnxEngine, McdrlError> loaded)
    {
        var exported = loaded.OrThrow();
        return new McdrlModel(OnnxEngineModule.engine(exported), InfoOf(exported)).Warm();
    }

    private static ModelInfo InfoOf(OnnxEngine exported) => new()
    {
        Classes = [.. exported.Facts.Classes],
        Conditions = [.. exported.Facts.Conditions],
        Mode = AdjustmentModes.Of(exported.Facts.Mode),
        Engine = "onnxruntime",
        InputSize = exported.Facts.InputSize,
        Tower = Stated(exported, "tower"),
        Provenance = new ModelProvenance
        {
            Product = Stated(exported, "product"),
            Data = Stated(exported, "trained_on"),
            DataSha256 = Stated(exported, "data_sha256"),
            WeightsSha256 = Stated(exported, "weights_sha256"),
        },
    };

    /// <summary>What the file says of itself, fit to be shown.</summary>
    private static string? Stated(OnnxEngine exported, string key) =>
        exported.Metadata.TryGetValue(key, out var text) ? Printable.line(text) : null;
}
