namespace Mcdrl

open System.Diagnostics
open System.Threading.Tasks
open FsToolkit.ErrorHandling
open TorchSharp

/// Our engine against ONNX Runtime on the same weights and frames, and against the machine.
[<RequireQualifiedAccess>]
module Bench =
    /// How far an answer may be from ONNX Runtime's, see `BenchResult.Difference`.
    let tolerance precision =
        match precision with
        | Precision.Fp32 -> 1e-3
        | Precision.Bf16 -> 0.1

    /// `tolerance`, or that of bf16 where the provider may multiply with fewer bits.
    let private toleranceBeside (reference: OnnxReference) precision =
        if List.contains ("use_tf32", "1") reference.Options then
            tolerance Precision.Bf16
        else
            tolerance precision

    /// ‖x − y‖ / ‖y‖
    let difference (x: float32 array) (y: float32 array) =
        let norm (values: float seq) =
            sqrt (values |> Seq.sumBy (fun value -> value * value))

        norm (Seq.map2 (fun a b -> float a - float b) x y) / norm (Seq.map float y)

    /// The model, in the caller's scope.
    let private open' (request: BenchRequest) : Result<Model, McdrlError> =
        match request.Model with
        | BenchModel.Folder path -> Bundle.load path
        | BenchModel.Random architecture -> RandomModel.create architecture (Seed.create 5UL)

    let private side (model: Model) = model.Manifest.Preprocessing.InputSize

    /// The part as an ONNX file.
    let private write (model: Model) part (path: string) =
        let settings = model.Manifest.Settings.Method

        match part with
        | BenchPart.Tower -> OnnxExport.writeTower path model.Tower settings.DenseMode (int64 (side model))
        | BenchPart.Segmenter mode -> OnnxExport.writeProbabilities path model mode

    let private flops (model: Model) part =
        let settings, side = model.Manifest.Settings.Method, int64 (side model)
        let tower = Flops.tower settings.DenseMode model.Tower side

        match part with
        | BenchPart.Tower -> tower
        | BenchPart.Segmenter mode ->
            tower
            + Flops.method
                settings
                (Gate.through model.Manifest.Active mode)
                model.Tower
                model.Network
                model.Texts
                side

    /// What the graph of the part takes: that of a tower alone doesn't normalise.
    let private framesFor (model: Model) part (frames: Tensor) =
        let channels = List.map float32 >> List.toArray

        match part with
        | BenchPart.Tower ->
            Preprocessing.normalised
                (channels model.Manifest.Preprocessing.Mean)
                (channels model.Manifest.Preprocessing.Std)
                frames
        | BenchPart.Segmenter _ -> frames.alias ()

    let private name (model: Model) part batch =
        match part with
        | BenchPart.Tower -> $"{model.Manifest.Tower}, tower, batch {batch}"
        | BenchPart.Segmenter mode -> $"{model.Manifest.Tower}, {Marginalisation.name mode}, batch {batch}"

    /// What an answer is, and how many milliseconds it takes.
    let private answered (contender: Contender) =
        let clock = Stopwatch.StartNew()
        let answer = contender.Answer()
        answer, clock.Elapsed.TotalMilliseconds

    /// Each contender with its distance from the reference and the time of its first answer, if none is too far; the reference itself
    /// first.
    let private agreeing tolerance what (reference: Contender) (contenders: Contender list) =
        let expected, first = answered reference

        contenders
        |> List.traverseResultM (fun contender ->
            let answer, first = answered contender
            let found = difference answer expected

            if found <= tolerance contender.Precision then
                Ok(contender, found, first)
            else
                Error(
                    McdrlError.model
                        $"in {PrecisionName.ofPrecision contender.Precision} our answer differs from ONNX Runtime's by {found:E1} of its length; nothing was timed"
                        what
                        "Report it with the model's mcdrl.json"
                ))
        |> Result.map (fun others -> (reference, 0.0, first) :: others)

    /// ONNX Runtime as the request has it, asked for a part of the model in batches of these frames.
    let private opened
        (request: BenchRequest)
        place
        (content: byte[])
        (frames: Tensor)
        : Result<Contender, McdrlError> =
        let asked = request.Reference

        let load options besides =
            OnnxContender.load place options request.Threads besides content

        match place with
        | OnnxDevice.Cuda number when asked.Graph ->
            load
                (CudaGraphContender.provider @ asked.Options)
                (CudaGraphContender.configure (int frames.shape[0]))
            |> Result.bind (fun session ->
                CudaGraphContender.create number session frames
                |> Result.teeError (fun _ -> session.Dispose()))
        | OnnxDevice.Cuda _
        | OnnxDevice.Cpu ->
            load asked.Options ignore
            |> Result.map (fun session -> OnnxContender.create place session frames)

    /// One part at one batch size.
    let private timed
        (request: BenchRequest)
        (model: Model)
        peakOf
        segmenters
        (place, content)
        part
        batch
        (progress: Progress)
        =
        use _scope = torch.NewDisposeScope()
        let what = name model part batch
        let frames = SampleFrames.batch (side model) batch

        let own part =
            segmenters
            |> List.map (fun (precision, segmenter) -> OwnContender.create segmenter precision part frames)

        let against reference =
            result {
                let! agreed = agreeing (toleranceBeside request.Reference) what reference (own part)

                let towers =
                    match part with
                    | BenchPart.Tower -> []
                    | BenchPart.Segmenter _ -> own BenchPart.Tower

                let! times =
                    let contenders = [ for contender, _, _ in agreed -> contender ] @ towers
                    BenchRounds.measure what request.Rounds contenders progress

                let case =
                    {
                        Tower = model.Manifest.Tower
                        Part = part
                        Batch = batch
                        Threads = request.Threads
                        Flops = int64 batch * flops model part
                        Reference = List.head times
                    }

                let results =
                    [
                        for index, (contender, difference, first) in List.indexed agreed do
                            let tower =
                                if index = 0 then
                                    None
                                else
                                    List.tryItem (agreed.Length + index - 1) times

                            let peak = peakOf contender.Precision
                            BenchResult.create case contender peak difference first times[index] tower
                    ]

                return List.tail results @ [ List.head results ]
            }

        progress.Tell
            {
                Stage = what
                Done = 0
                Total = request.Rounds
                Note = ""
            }

        opened request place content (framesFor model part frames)
        |> Result.bind (fun reference ->
            try
                OnnxContender.attempt (fun () -> against reference)
            finally
                reference.Free())

    /// Where ONNX Runtime computes the part, of a batch of the first size.
    let private placed (request: BenchRequest) (model: Model) place (content: byte[]) part =
        let batch = List.head request.Batches

        match place with
        | OnnxDevice.Cpu -> Ok None
        | OnnxDevice.Cuda _ ->
            use _scope = torch.NewDisposeScope()
            let frames = framesFor model part (SampleFrames.batch (side model) batch)

            let load besides =
                OnnxContender.load place request.Reference.Options request.Threads besides content

            OnnxContender.attempt (fun () ->
                OnnxPlacement.find (name model part batch) load (fun session ->
                    (OnnxContender.create place session frames).Run()))
            |> Result.map Some

    /// One part at every batch size.
    let private timedPart
        (request: BenchRequest)
        (model: Model)
        place
        peakOf
        segmenters
        part
        (progress: Progress)
        =
        result {
            progress.Tell
                {
                    Stage = "exporting to ONNX Runtime"
                    Done = 0
                    Total = 0
                    Note = ""
                }

            let! content = OnnxContender.export (write model part)
            let! placement = placed request model place content part

            let! found =
                request.Batches
                |> List.traverseResultM (fun batch ->
                    timed request model peakOf segmenters (place, content) part batch progress)

            return placement, List.concat found
        }

    let private all (request: BenchRequest) (progress: Progress) =
        result {
            use _scope = torch.NewDisposeScope()
            let! device = Device.parse request.Device
            let! place = OnnxDevice.parse request.Reference.Device

            let precisions = List.distinct (Precision.Fp32 :: request.Precisions)

            let! peaks =
                precisions
                |> List.indexed
                |> List.traverseResultM (fun (index, precision) ->
                    progress.Tell
                        {
                            Stage = "matmul peak"
                            Done = index
                            Total = precisions.Length
                            Note = PrecisionName.ofPrecision precision
                        }

                    if progress.IsCancelled then
                        Error McdrlError.Cancelled
                    else
                        Ok(MatmulPeak.measure device precision))

            let! model = open' request

            let segmenters =
                request.Precisions
                |> List.map (fun precision -> precision, Segmenter.ofModel device precision model)

            let peakOf precision =
                peaks |> List.find (fun peak -> peak.Precision = precision)

            try
                let! found =
                    request.Parts
                    |> List.traverseResultM (fun part ->
                        timedPart request model place peakOf segmenters part progress)

                return
                    {
                        Peaks = peaks
                        Results = List.collect snd found
                        Placements = List.choose fst found
                    }
            finally
                for _, segmenter in segmenters do
                    (segmenter :> System.IDisposable).Dispose()
        }

    /// Times all that is asked for. Both engines have as many threads; ours computes on a thread of its own, because a thread
    /// keeps the number of torch threads that it first computes with.
    let run (request: BenchRequest) (progress: Progress) : Result<BenchReport, McdrlError> =
        let work () =
            let before = torch.get_num_threads ()
            torch.set_num_threads request.Threads

            try
                all request progress
            finally
                torch.set_num_threads before

        Native.load ()
        |> Result.bind (fun _ ->
            Task.Factory.StartNew(work, TaskCreationOptions.LongRunning).GetAwaiter().GetResult())
