namespace Mcdrl

open FsToolkit.ErrorHandling
open Microsoft.ML.OnnxRuntime

/// The one door to ONNX Runtime: whoever opens a session opens it here.
[<RequireQualifiedAccess>]
module OnnxRuntime =
    /// Opens a file's content on a device, with options of the CUDA provider besides ours. `configure` sees the options, which show errors
    /// alone, before it is read. No library to load and a device that refuses are errors; what ONNX Runtime throws of the content or of
    /// what `configure` did is thrown.
    let sessionOn
        (device: OnnxDevice)
        (provider: (string * string) list)
        (content: byte[])
        (configure: SessionOptions -> unit)
        : Result<InferenceSession, McdrlError> =
        result {
            do! OnnxLibrary.load ()
            use options = new SessionOptions()
            options.LogSeverityLevel <- OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR
            configure options
            do! OnnxDevice.provide device provider options
            return new InferenceSession(content, options)
        }

    /// `sessionOn` the processor.
    let session (content: byte[]) (configure: SessionOptions -> unit) : Result<InferenceSession, McdrlError> =
        sessionOn OnnxDevice.Cpu [] content configure

    /// Work with a session on a device, when it is its turn. Runs of one CUDA session at the same time give wrong answers, one after the other
    /// right ones; on the processor none waits. `gate` is what the works of one session share.
    let internal inTurn (device: OnnxDevice) (gate: obj) (work: unit -> 'a) : 'a =
        match device with
        | OnnxDevice.Cpu -> work ()
        | OnnxDevice.Cuda _ -> lock gate work
