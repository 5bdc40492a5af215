namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling
open TorchSharp

/// How far an exported file's answers are from our own, over all frames compared.
[<RequireQualifiedAccess>]
type OnnxComparison =
    {
        /// Pictures that both engines answered.
        Frames: int
        /// Largest difference of a probability.
        Probabilities: float
        /// Largest difference of a frame's disagreement or of a condition's influence, in nats.
        Conditions: float
        /// Pixels of all masks.
        Pixels: int64
        /// Those whose class differs. Where probabilities agree, only if two classes are equally probable there, to
        /// twice that difference.
        DifferingPixels: int64
    }

/// What `export onnx` tells about the file it wrote.
[<RequireQualifiedAccess>]
type OnnxReport =
    {
        /// The file that was written.
        File: string
        /// Its size.
        Bytes: int64
        /// The version of the operators it uses.
        Opset: int64
        /// The tower's architecture, see `Tower.name`.
        Tower: string
        /// The one mode that it answers in.
        Mode: Marginalisation
        /// Side of its square input in pixels.
        InputSize: int
        /// Lesion classes, label 1 first.
        Classes: string list
        /// The dictionary, if the file says how much each condition matters.
        Conditions: string list
        /// How its answers differ from libtorch's.
        Comparison: OnnxComparison
    }

/// What to export, and where to.
[<RequireQualifiedAccess>]
type OnnxRequest =
    {
        /// The model's folder.
        Model: string
        /// The model's own unless given.
        Mode: Marginalisation option
        /// The file to write.
        Out: string
    }

/// Exports that are compared with our own segmenter before they are handed out.
[<RequireQualifiedAccess>]
module VerifiedExport =
    /// Largest difference of a probability, or of what is said about conditions in nats, that passes.
    let tolerance = 1e-4

    let private frames = SampleFrames.varied

    let private largest (differences: float seq) = Seq.fold max 0.0 differences

    /// Probabilities [K + 1, S, S] and what they come to: the file's own against ours.
    let private apart
        (found: float32 array, given: SegmentationResult)
        (expected: float32 array, own: SegmentationResult)
        : OnnxComparison =
        let influence =
            Seq.map2 (fun (_, found) (_, expected) -> abs (expected - found)) given.Influence own.Influence

        let disagreement =
            Option.map2 (fun found expected -> abs (expected - found)) given.Disagreement own.Disagreement

        {
            Frames = 1
            Probabilities = Seq.map2 (fun a b -> abs (float a - float b)) found expected |> largest
            Conditions = largest [ largest influence; Option.defaultValue 0.0 disagreement ]
            Pixels = int64 given.Upright.Labels.Length
            DifferingPixels = Explanation.changes own.Upright given.Upright |> snd
        }

    /// One picture through both, from its pixels to its mask: what is compared is all that whoever runs the file gets.
    let private comparePicture (segmenter: Segmenter) (engine: OnnxEngine) mode (picture: Picture) =
        use _scope = torch.NewDisposeScope()

        OnnxEngine.runPicture engine picture
        |> Result.map (fun found ->
            apart
                (found.Probabilities, OnnxEngine.answer engine Marking.standard picture found)
                ((Segmenter.probabilities segmenter mode picture).data<float32>().ToArray(),
                 Segmenter.segment segmenter mode picture))

    let private together (a: OnnxComparison) (b: OnnxComparison) : OnnxComparison =
        {
            Frames = a.Frames + b.Frames
            Probabilities = max a.Probabilities b.Probabilities
            Conditions = max a.Conditions b.Conditions
            Pixels = a.Pixels + b.Pixels
            DifferingPixels = a.DifferingPixels + b.DifferingPixels
        }

    /// What an exported file states, and its answers against our own, in the file's mode, on a few rendered frames.
    let compare
        (file: string)
        (model: Model)
        (progress: Progress)
        : Result<OnnxFacts * OnnxComparison, McdrlError> =
        result {
            use! engine = OnnxEngine.load file 0
            use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 model

            let one number =
                progress.Tell
                    {
                        Stage = "comparing with our own answers"
                        Done = number
                        Total = frames
                        Note = ""
                    }

                if progress.IsCancelled then
                    Error McdrlError.Cancelled
                else
                    comparePicture segmenter engine (Some engine.Facts.Mode) (SampleFrames.picture number)

            let! found = List.init frames id |> List.traverseResultM one
            return engine.Facts, List.reduce together found
        }

    let private accept (out: string) (comparison: OnnxComparison) =
        if comparison.Probabilities <= tolerance && comparison.Conditions <= tolerance then
            Ok()
        else
            Error(
                McdrlError.model
                    $"ONNX Runtime's answer to the exported graph is not ours: probabilities differ by up to {comparison.Probabilities:E1}, what is said about conditions by {comparison.Conditions:E1} nats, masks in {comparison.DifferingPixels} of {comparison.Pixels} pixels; nothing was written"
                    out
                    "Report it with the model's mcdrl.json"
            )

    /// Writes the model as an ONNX file and compares it with our own segmenter; only a file that agrees to
    /// `tolerance` takes the place of `Out`.
    let run (request: OnnxRequest) (progress: Progress) : Result<OnnxReport, McdrlError> =
        let out = Path.GetFullPath request.Out

        let folder = Path.GetDirectoryName out |> Option.ofObj |> Option.defaultValue "."

        let unchecked = Temporaries.path folder

        result {
            let! _ = Native.load ()

            do!
                match FileIdentity.ofPath out with
                | None
                | Some { Kind = FileKind.PlainFile } -> Ok()
                | Some { Kind = kind } ->
                    Error(
                        McdrlError.usage
                            $"this is {FileIdentity.describe kind}"
                            request.Out
                            "Name a file, e.g. model.onnx"
                    )

            do! Inputs.keep (Bundle.files request.Model) out
            use _scope = torch.NewDisposeScope()
            let! model = Bundle.load request.Model
            do! Manifest.requireTrained model.Manifest request.Mode

            let mode =
                request.Mode
                |> Option.defaultValue model.Manifest.Settings.Method.Marginalisation

            try
                do!
                    Files.attempt request.Out (fun () ->
                        Directory.CreateDirectory folder |> ignore
                        File.WriteAllBytes(unchecked, [||]))

                let! bytes = OnnxExport.write unchecked model mode
                use! _held = Files.attempt unchecked (fun () -> Temporaries.hold unchecked)
                let! facts, comparison = compare unchecked model progress
                do! accept request.Out comparison
                do! Files.attempt request.Out (fun () -> File.Move(unchecked, out, true))

                return
                    {
                        File = request.Out
                        Bytes = bytes
                        Opset = OnnxOp.opset
                        Tower = model.Manifest.Tower
                        Mode = mode
                        InputSize = model.Manifest.Preprocessing.InputSize
                        Classes = model.Manifest.Classes
                        Conditions = facts.Conditions
                        Comparison = comparison
                    }
            finally
                if Directory.Exists folder then
                    Temporaries.forget unchecked
        }
