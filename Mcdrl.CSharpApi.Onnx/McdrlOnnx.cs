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
    public static McdrlModel Load(string file) => Load(file, Processor);

    /// <summary><see cref="Load(string)"/> on a device. CUDA needs what Mcdrl doesn't carry: ONNX Runtime's libraries with CUDA, by a
    /// reference to the package <c>Microsoft.ML.OnnxRuntime.Gpu.Linux</c> or from the folder in the environment variable
    /// <c>MCDRL_ONNXRUNTIME</c>, and CUDA, cuDNN and the driver of the machine.</summary>
    /// <inheritdoc cref="Load(string)"/>
    /// <param name="file">The ONNX file.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c>, or <c>auto</c>: CUDA where there is all that it needs.</param>
    /// <exception cref="McdrlUsageException">The device is not there, or something that it needs; the message says what.</exception>
    public static McdrlModel Load(string file, string device)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Ready(OnnxEngineModule.loadOn(On(device), file, 0));
    }

    /// <summary><see cref="Load(string)"/> for the bytes of such a file, for instance an embedded resource.</summary>
    /// <inheritdoc cref="Load(string)"/>
    /// <param name="content">All bytes of the file. They may change once this has returned.</param>
    public static McdrlModel Load(ReadOnlyMemory<byte> content) => Load(content, Processor);

    /// <summary><see cref="Load(string, string)"/> for the bytes of such a file.</summary>
    /// <inheritdoc cref="Load(string, string)"/>
    /// <param name="content">All bytes of the file. They may change once this has returned.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c>, or <c>auto</c>: CUDA where there is all that it needs.</param>
    public static McdrlModel Load(ReadOnlyMemory<byte> content, string device) =>
        Ready(OnnxEngineModule.ofBytesOn(On(device), InMemory, 0, content.ToArray()));

    /// <summary><see cref="Load(string)"/> from a stream, from where it stands to its end. What reading throws is passed on.</summary>
    /// <inheritdoc cref="Load(string)"/>
    /// <param name="content">The stream, which is left open.</param>
    public static McdrlModel Load(Stream content) => Load(content, Processor);

    /// <summary><see cref="Load(string, string)"/> from a stream, from where it stands to its end. What reading throws is passed on.</summary>
    /// <inheritdoc cref="Load(string, string)"/>
    /// <param name="content">The stream, which is left open.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c>, or <c>auto</c>: CUDA where there is all that it needs.</param>
    public static McdrlModel Load(Stream content, string device)
    {
        ArgumentNullException.ThrowIfNull(content);
        var computing = On(device);
        using var memory = new MemoryStream();
        content.CopyTo(memory);
        return Ready(OnnxEngineModule.ofBytesOn(computing, InMemory, 0, memory.ToArray()));
    }

    private const string InMemory = "the model in memory";
    private const string Processor = "cpu";

    private static OnnxDevice On(string device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return OnnxDeviceModule.parse(device).OrThrow();
    }

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
        Device = OnnxDeviceModule.name(exported.Device),
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
