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
        return new McdrlModel(OnnxEngineModule.engine(OnnxEngineModule.load(file, 0).OrThrow())).Warm();
    }
}
