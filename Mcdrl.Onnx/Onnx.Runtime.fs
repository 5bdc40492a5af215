namespace Mcdrl

open System
open System.Runtime.InteropServices
open Microsoft.ML.OnnxRuntime

/// The one door to ONNX Runtime: whoever opens a session opens it here.
[<RequireQualifiedAccess>]
module OnnxRuntime =
    [<DllImport("libc")>]
    extern int private setenv(string name, string value, int overwrite)

    /// From 1.29 on ONNX Runtime reports to its makers unless this stands in the environment before its library loads: .NET's own
    /// variables reach a library on Windows alone, and `DisableTelemetryEvents` comes after the first report.
    let private silenced =
        lazy
            (let name, value = "ORT_DISABLE_TELEMETRY", "1"

             if OperatingSystem.IsWindows() then
                 Environment.SetEnvironmentVariable(name, value)
             else
                 setenv (name, value, 1) |> ignore)

    /// Opens a file's content. `configure` sees the options, which show errors alone, before it is read. Throws what ONNX Runtime
    /// throws.
    let session (content: byte[]) (configure: SessionOptions -> unit) : InferenceSession =
        silenced.Force()
        use options = new SessionOptions()
        options.LogSeverityLevel <- OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR
        configure options
        new InferenceSession(content, options)
