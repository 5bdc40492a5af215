namespace Mcdrl.Hosting;

/// <summary>Which model an application has, and when it is loaded.</summary>
public sealed class McdrlOptions
{
    /// <summary>A file that <c>mcdrl export onnx</c> wrote. It or <see cref="Load"/> is needed.</summary>
    public string? OnnxFile { get; set; }

    /// <summary>What <see cref="OnnxFile"/> is computed on: <c>cpu</c>, <c>cuda</c>, <c>cuda:N</c>, or <c>auto</c>, as
    /// <see cref="McdrlOnnx.Load(string, string)"/> takes it.</summary>
    public string Device { get; set; } = "cpu";

    /// <summary>Loads any other model, for instance <c>_ => McdrlApi.Load("run/model")</c> of the package Mcdrl. It comes
    /// before <see cref="OnnxFile"/>, and the model is disposed with the application.</summary>
    public Func<IServiceProvider, IMcdrlModel>? Load { get; set; }

    /// <summary>Whether the model is loaded while the application starts, which fails if the model does; else when it is first asked
    /// for.</summary>
    public bool LoadAtStart { get; set; } = true;
}
