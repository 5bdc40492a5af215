namespace Mcdrl

open System.IO
open Microsoft.ML.OnnxRuntime
open TorchSharp

/// One that answers a question about some frames, to be timed against others who are asked the same.
[<NoComparison; NoEquality>]
type internal Contender =
    {
        Engine: BenchEngine
        /// What it computes on.
        Device: string
        Precision: Precision
        /// Answers, the answer in the processor's memory, and frees it.
        Run: unit -> unit
        /// The answer, row by row.
        Answer: unit -> float32 array
        /// Lets go of what it holds.
        Free: unit -> unit
    }

/// Our own engine.
[<RequireQualifiedAccess>]
module internal OwnContender =
    let private asking device precision (ask: unit -> Tensor) : Contender =
        {
            Engine = BenchEngine.Mcdrl
            Device = device
            Precision = precision
            Run =
                fun () ->
                    use _scope = torch.NewDisposeScope()
                    (ask ()).cpu() |> ignore
            Answer =
                fun () ->
                    use _scope = torch.NewDisposeScope()
                    (ask ()).``to``(torch.float32).cpu().contiguous().data<float32>().ToArray()
            Free = ignore
        }

    /// Frames [B, 3, S, S] in [0, 1] → the dense map. `precision` is that of the segmenter.
    let create (segmenter: Segmenter) precision (part: BenchPart) (frames: Tensor) : Contender =
        asking segmenter.ComputesOn precision (fun () ->
            match part with
            | BenchPart.Tower -> (Segmenter.features segmenter frames).Dense
            | BenchPart.Segmenter mode -> Segmenter.probabilitiesOfFrames segmenter (Some mode) frames)

/// ONNX Runtime on a file that we exported.
[<RequireQualifiedAccess>]
module internal OnnxContender =
    /// What `work` makes, or ONNX Runtime's refusal as an error.
    let attempt (work: unit -> Result<'a, McdrlError>) : Result<'a, McdrlError> =
        try
            work ()
        with :? OnnxRuntimeException as problem ->
            Error(
                McdrlError.model
                    $"ONNX Runtime refuses the exported graph: {problem.Message.Trim().TrimEnd '.'}"
                    "mcdrl bench"
                    "Report it with the model's mcdrl.json"
            )

    /// As fast as ONNX Runtime is by itself: its threads spin while it computes. They stop when it has its answer, or they would
    /// keep the processor from whoever is timed next.
    let private atFullSpeed (threads: int) (options: SessionOptions) =
        options.IntraOpNumThreads <- threads
        options.InterOpNumThreads <- 1
        options.AddSessionConfigEntry("session.force_spinning_stop", "1")

    /// The bytes of the file that `write` puts at a path of a temporary folder; it is gone when this returns.
    let export (write: string -> Result<int64, McdrlError>) : Result<byte[], McdrlError> =
        Files.attempt (Path.GetTempPath()) (fun () -> Directory.CreateTempSubdirectory "mcdrl-bench-")
        |> Result.bind (fun folder ->
            let path = Path.Combine(folder.FullName, "model.onnx")

            try
                write path
                |> Result.bind (fun _ -> Files.attempt path (fun () -> File.ReadAllBytes path))
            finally
                folder.Delete true)

    /// A session of a file on a device.
    let load
        (device: OnnxDevice)
        (provider: (string * string) list)
        (threads: int)
        (besides: SessionOptions -> unit)
        (content: byte[])
        : Result<InferenceSession, McdrlError> =
        attempt (fun () ->
            OnnxRuntime.sessionOn device provider content (fun options ->
                atFullSpeed threads options
                besides options))

    /// Asks for the first of the graph's outputs; the others are computed too. Frames [B, 3, S, S] as the graph takes them. It frees
    /// the session.
    let create (device: OnnxDevice) (session: InferenceSession) (frames: Tensor) : Contender =
        let shape = frames.shape
        let input = frames.contiguous().data<float32>().ToArray()
        let outputs = [| Seq.head session.OutputNames |]

        let ask (read: OrtValue -> 'a) =
            use value = OrtValue.CreateTensorValueFromMemory(input, shape)
            use options = new RunOptions()
            use found = session.Run(options, [| OnnxContract.image |], [| value |], outputs)
            read found[0]

        {
            Engine = BenchEngine.Onnxruntime
            Device = OnnxDevice.name device
            Precision = Precision.Fp32
            Run = fun () -> ask ignore
            Answer = fun () -> ask (fun value -> value.GetTensorDataAsSpan<float32>().ToArray())
            Free = session.Dispose
        }
