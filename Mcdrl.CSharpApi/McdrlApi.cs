namespace Mcdrl;

/// <summary>The entry to Mcdrl: loads models that mark lesions in endoscopic images. Not for clinical use.</summary>
/// <example><code>
/// using var model = McdrlApi.Load("run/model");
/// Segmentation found = model.Segment("frame.png");
/// found.SaveMask("frame.mask.png");
/// </code></example>
public static class McdrlApi
{
    /// <summary>Loads a model: the folder that <c>mcdrl train</c> writes. Everything in it is verified first.</summary>
    /// <param name="modelFolder">The folder that holds <c>mcdrl.json</c>, or a training run's folder.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</param>
    /// <returns>The model; dispose it when done. One instance serves any number of threads.</returns>
    /// <exception cref="McdrlUsageException">The device is not there, or libtorch can't be loaded.</exception>
    /// <exception cref="McdrlModelException">The model is missing, damaged or of another version.</exception>
    public static McdrlModel Load(string modelFolder, string device = "cpu")
    {
        ArgumentNullException.ThrowIfNull(modelFolder);
        ArgumentNullException.ThrowIfNull(device);
        return new McdrlModel(SegmenterModule.load(modelFolder, device).OrThrow());
    }
}
