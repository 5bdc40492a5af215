module Mcdrl.Tests.VerifiedExportTests

open System
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open Microsoft.ML.OnnxRuntime
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private request out : OnnxRequest =
    {
        Model = World.bundle ()
        Mode = None
        Out = out
    }

let private export request =
    VerifiedExport.run request Progress.none

/// Works with the path of a file yet to be written; nothing else may be left in its folder.
let private withFile work =
    Folder.temporary (fun folder ->
        let file = Path.Combine(folder, "model.onnx")
        work file

        Expect.equal
            (Directory.GetFiles folder |> Array.filter ((<>) file))
            [||]
            "no other file is left behind")

let private small initialisers : OnnxModel =
    {
        Name = "test"
        Description = ""
        ProducerVersion = "0"
        Opset = OnnxOp.opset
        Inputs =
            [
                {
                    Name = "x"
                    Axes = [ "batch" ]
                    Description = ""
                }
            ]
        Outputs =
            [
                {
                    Name = "y"
                    Axes = [ "batch" ]
                    Description = ""
                }
            ]
        Nodes =
            [
                {
                    Op = "Identity"
                    Inputs = [ "x" ]
                    Outputs = [ "y" ]
                    Attributes = []
                }
            ]
        Initialisers = initialisers
        Metadata = []
    }

let private written =
    testList
        "written"
        [
            testCase "a trained model's file agrees with the model and says what it is"
            <| fun () ->
                withFile (fun file ->
                    let found = Outcome.ok (export (request file))
                    Expect.isLessThanOrEqual found.Comparison.Probabilities 1e-4 "probabilities"
                    // Where two classes are as probable, rounding decides.
                    Expect.isLessThanOrEqual
                        found.Comparison.DifferingPixels
                        (found.Comparison.Pixels / 1000L)
                        "masks"

                    Expect.isGreaterThan found.Comparison.Frames 1 "frames"
                    Expect.equal found.Bytes (FileInfo file).Length "size"

                    use session = Outcome.ok (OnnxRuntime.session (File.ReadAllBytes file) ignore)
                    let stated = session.ModelMetadata.CustomMetadataMap

                    let names (key: string) =
                        JsonSerializer.Deserialize<string list> stated[key]

                    Expect.equal (names "classes") [ "polyp" ] "classes"
                    Expect.equal (names "conditions") World.conditions "conditions"
                    Expect.equal stated["mode"] (Marginalisation.name found.Mode) "mode"
                    Expect.equal stated["input_size"] "32" "input size"
                    Expect.equal stated["resize"] "squash-bicubic" "resize"
                    Expect.stringContains stated["preprocessing"] "divided by 255" "preprocessing"
                    Expect.equal stated["product"] $"mcdrl {Product.release}" "product"
                    Expect.stringContains stated["notice"] "not for clinical use" "notice"
                    Expect.equal session.ModelMetadata.ProducerName "mcdrl" "producer"
                    let weights = JsonSerializer.Deserialize<float list> stated["prior"]

                    Expect.floatClose
                        Accuracy.high
                        (weights |> Option.ofObj |> Option.map List.sum |> Option.defaultValue 0.0)
                        1.0
                        "prior"

                    Expect.equal
                        session.InputMetadata["image"].Dimensions
                        [| -1; 3; 32; 32 |]
                        "any number of images"

                    Expect.equal session.InputMetadata["image"].SymbolicDimensions[0] "batch" "named")

            testCase "outputs are those of the mode"
            <| fun () ->
                let expected =
                    [
                        Marginalisation.Exact, [ "disagreement"; "influence"; "probabilities" ]
                        Marginalisation.Nwgm, [ "disagreement"; "influence"; "probabilities" ]
                        Marginalisation.FeatureMean, [ "probabilities" ]
                        Marginalisation.Attention, [ "probabilities" ]
                    ]

                for mode, outputs in expected do
                    withFile (fun file ->
                        let found = Outcome.ok (export { request file with Mode = Some mode })
                        Expect.equal found.Mode mode "mode"
                        use session = Outcome.ok (OnnxRuntime.session (File.ReadAllBytes file) ignore)

                        Expect.equal
                            (session.OutputMetadata.Keys |> Seq.sort |> List.ofSeq)
                            outputs
                            "outputs"

                        Expect.equal
                            session.OutputMetadata["probabilities"].Dimensions
                            [| -1; 2; 32; 32 |]
                            "shape")

            testCase "the same model gives the same bytes"
            <| fun () ->
                withFile (fun file ->
                    Outcome.ok (export (request file)) |> ignore
                    let first = File.ReadAllBytes file
                    Outcome.ok (export (request file)) |> ignore
                    Expect.equal (File.ReadAllBytes file) first "bytes")

            testCase "no tensor is left behind"
            <| fun () ->
                withFile (fun file ->
                    Outcome.ok (export (request file)) |> ignore
                    let before = LiveTensors.count ()
                    Outcome.ok (export (request file)) |> ignore
                    Expect.equal torch.Tensor.TotalCount before "tensors")
        ]

let private refused =
    testList
        "refused"
        [
            testCase "a folder without a model; the file of before stays"
            <| fun () ->
                withFile (fun file ->
                    File.WriteAllText(file, "before")

                    export
                        { request file with
                            Model = Path.GetDirectoryName file |> string
                        }
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ "mcdrl.json" ]

                    Expect.equal (File.ReadAllText file) "before" "untouched")

            testCase "a function of one's own can't be exported, which is said before anything is written"
            <| fun () ->
                withFile (fun file ->
                    export
                        { request file with
                            Mode = Some Marginalisation.Custom
                        }
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "“mode” custom"; "function" ]

                    Expect.isFalse (File.Exists file) "no file")

            testCase
                "rendered, which takes several passes: said before anything is written, and by a file that is asked"
            <| fun () ->
                withFile (fun file ->
                    export
                        { request file with
                            Mode = Some Marginalisation.Rendered
                        }
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "“mode” rendered"; "feature-mean"; "libtorch" ]

                    Expect.isFalse (File.Exists file) "no file"
                    Outcome.ok (export (request file)) |> ignore
                    use engine = OnnxEngine.engine (Outcome.ok (OnnxEngine.load file 1))

                    let picture =
                        Outcome.ok (
                            Images.read
                                ImageLimits.standard
                                (Path.Combine(World.data (), "c", "images", "frame1.png"))
                        )

                    Engine.segment engine (Some Marginalisation.Rendered) Marking.standard picture
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ "“mode” rendered"; "libtorch" ])

            testCase "a folder in the place of the file"
            <| fun () ->
                Folder.temporary (fun folder ->
                    export (request folder)
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ folder; "folder" ])

            testCase "a place that can't be written"
            <| fun () ->
                export (request "/proc/none/model.onnx")
                |> Result.map ignore
                |> Outcome.refusedWith 5 [ "/proc/none/model.onnx" ]

            testCase "stopped: no file"
            <| fun () ->
                withFile (fun file ->
                    use stop = new CancellationTokenSource()
                    stop.Cancel()

                    VerifiedExport.run (request file) (Progress.until stop.Token)
                    |> Result.map ignore
                    |> Outcome.refusedWith 130 []

                    Expect.isFalse (File.Exists file) "no file")

            testCase "2 GiB and more"
            <| fun () ->
                withFile (fun file ->
                    use huge =
                        torch.empty ([| 600_000_000L |], dtype = torch.float32, device = torch.META)

                    OnnxModel.write file (small [ { Name = "huge"; Value = huge } ])
                    |> Result.map ignore
                    |> Outcome.refusedWith 5 [ file; "2400000"; "2147483647" ]

                    Expect.isFalse (File.Exists file) "no file")

            testCase "a file that is no ONNX, and one that is not ours"
            <| fun () ->
                withFile (fun file ->
                    File.WriteAllBytes(file, Array.create 100 7uy)

                    OnnxEngine.load file 1
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ file; "export onnx" ]

                    Outcome.ok (OnnxModel.write file (small [])) |> ignore

                    OnnxEngine.load file 1
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ file; "classes" ])
        ]

let private kept =
    testCase "the model's own files, pipes and folders are not written over"
    <| fun () ->
        Folder.temporary (fun folder ->
            let model = Path.Combine(folder, "model")
            World.copyTree (World.bundle ()) model
            let before = Outcome.ok (Bundle.sha256 model)

            for file in Bundle.files model do
                export
                    { request file with
                        Model = model
                        Out = file
                    }
                |> Outcome.refusedWith 2 [ file; "what is read" ]

            let pipe = Path.Combine(folder, "pipe")
            Folder.pipe pipe

            export { request pipe with Out = pipe }
            |> Outcome.refusedWith 2 [ pipe; "a pipe" ]

            Expect.equal (Outcome.ok (Bundle.sha256 model)) before "whole")

/// ModelProto with a graph (7) of these bytes.
let private withGraph (graph: byte list) = 0x3Auy :: byte graph.Length :: graph

let private guarded =
    testCase "only what is built as we build it reaches ONNX Runtime"
    <| fun () ->
        withFile (fun file ->
            /// A content with its digest at the end.
            let check (bytes: byte list) =
                let whole =
                    Array.concat
                        [
                            List.toArray bytes
                            OnnxContract.digestEntry
                            Array.map byte (SelfDigest.blank.ToCharArray())
                        ]

                File.WriteAllBytes(file, whole)
                Forged.onnx id file
                OnnxGuard.check file (File.ReadAllBytes file)

            for bytes, what in
                [
                    withGraph [ 0x2Auy; 2uy; 0x4Auy; 0uy ], "a tensor (5) with its values (9)"
                    withGraph [ 0x0Auy; 2uy; 0x22uy; 0uy ], "a node (1) with an operator (4)"
                ] do
                Expect.isOk (check bytes) what

            for bytes, what in
                [
                    withGraph [ 0x2Auy; 2uy; 0x6Auy; 0uy ], "a tensor with external data (13)"
                    withGraph [ 0x2Auy; 2uy; 0x70uy; 1uy ], "a tensor that lies elsewhere (14)"
                    withGraph [ 0x0Auy; 2uy; 0x3Auy; 0uy ], "a node of another domain (7)"
                    withGraph [ 0x0Auy; 4uy; 0x2Auy; 2uy; 0x32uy; 0uy ], "an attribute with a graph (6)"
                    [ 0xCAuy; 1uy; 0uy ], "functions (25)"
                    [ 0x3Auy; 9uy; 0uy ], "a length beyond the end"
                    [ 0x3Auy; 0xFFuy ], "half a length"
                    List.replicate 12 0xFFuy, "a number without end"
                ] do
                check bytes |> Outcome.refusedWith 3 [ file; "mcdrl export onnx" ]
                Expect.isError (check bytes) what

            Outcome.ok (export (request file)) |> ignore
            let bytes = File.ReadAllBytes file
            Expect.isOk (OnnxGuard.check file bytes) "a whole file"

            for length in 1 .. bytes.Length / 97 .. bytes.Length - 1 do
                Expect.isError
                    (OnnxGuard.check file (Array.truncate length bytes))
                    $"cut after {length} bytes")

let tests =
    testSequenced (testList "VerifiedExport" [ written; refused; kept; guarded ])
