module Mcdrl.Tests.OnnxTrustTests

open System
open System.IO
open System.Text
open System.Text.Json
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

/// What a file of one class at 32 pixels states, with changes.
let private statedWith changes =
    Map
        [
            "classes", JsonSerializer.Serialize [ "polyp" ]
            "conditions", JsonSerializer.Serialize [ "blur"; "blood" ]
            "mode", "feature-mean"
            "input_size", "32"
        ]
    |> Map.foldBack Map.add (Map changes)

let private named count =
    JsonSerializer.Serialize(List.init count (sprintf "name %d"))

let private facts changes =
    OnnxEngine.factsOf "model.onnx" (statedWith changes)

let private refusedFor (key: string) value parts =
    facts [ key, value ]
    |> Result.map ignore
    |> Outcome.refusedWith 3 ("model.onnx" :: key :: parts)

let private port name axes : OnnxPort =
    {
        Name = name
        Axes = axes
        Description = ""
    }

/// A graph whose answer is its input, of three channels: background and two classes.
let private passing side : OnnxModel =
    let shape = [ "batch"; "3"; side; side ]

    {
        Name = "test"
        Description = ""
        ProducerVersion = "0"
        Opset = OnnxOp.opset
        Inputs = [ port OnnxContract.image shape ]
        Outputs = [ port OnnxContract.probabilities shape ]
        Nodes =
            [
                {
                    Op = "Identity"
                    Inputs = [ OnnxContract.image ]
                    Outputs = [ OnnxContract.probabilities ]
                    Attributes = []
                }
            ]
        Initialisers = []
        Metadata = Map.toList (statedWith [ "classes", named 2 ])
    }

let private written (model: OnnxModel) (work: string -> 'a) =
    Folder.temporary (fun folder ->
        let file = Path.Combine(folder, "model.onnx")
        Outcome.ok (OnnxModel.write file model) |> ignore
        work file)

let private load file =
    OnnxEngine.load file 1
    |> Result.map (fun engine ->
        use engine = engine
        engine.Facts)

let private refusedFile parts file =
    load file |> Result.map ignore |> Outcome.refusedWith 3 (file :: parts)

let private stated =
    testList
        "metadata"
        [
            testCase "numbers at their bounds"
            <| fun () ->
                for changes in
                    [
                        []
                        [ "input_size", "2048" ]
                        [ "classes", named 255 ]
                        [ "conditions", named 256 ]
                        [ "min_area", "0" ]
                        [ "min_area", "0.1" ]
                    ] do
                    Expect.isOk (facts changes) $"{changes}"

            testCase "numbers beyond their bounds"
            <| fun () ->
                for size in [ "31"; "2049"; "46341"; "65536"; "2147483647" ] do
                    refusedFor "input_size" size [ size; "between 32 and 2048" ]

                for size in [ "0"; "-1"; "-2147483648"; "2147483648"; "1e3"; " 32"; "32.0"; "NaN"; "" ] do
                    refusedFor "input_size" size []

                for share in [ "-0.001"; "0.1001"; "NaN"; "Infinity"; "1e999"; "" ] do
                    refusedFor "min_area" share [ share ]

            testCase "classes and conditions that can't be"
            <| fun () ->
                refusedFor "classes" (named 256) [ "256" ]
                refusedFor "conditions" (named 257) [ "257" ]

                for key in [ "classes"; "conditions" ] do
                    for text in [ "[]"; "{}"; "null"; "[1]"; "[\"a\",\"a\"]"; "[\"\"]"; "[\"\\uD800\"]"; "[" ] do
                        refusedFor key text []

                refusedFor "classes" "[\"background\"]" [ "background" ]

            testCase "parts that are within bounds, and answers that aren't"
            <| fun () ->
                facts [ "classes", named 255; "conditions", named 256; "input_size", "2048" ]
                |> Result.map ignore
                |> Outcome.refusedWith 3 [ "input_size"; "numbers" ]

            testCase "modes that no file can answer in, and none"
            <| fun () ->
                for mode in [ "rendered"; "exact "; "" ] do
                    facts [ "mode", mode ]
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ "model.onnx" ]

            testCase "whatever is missing"
            <| fun () ->
                for key in [ "classes"; "conditions"; "mode"; "input_size" ] do
                    OnnxEngine.factsOf "model.onnx" ((statedWith []).Remove key)
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ key ]
        ]

let private files =
    testList
        "files"
        [
            testCase "what a file states is what its ports are"
            <| fun () ->
                written (passing "32") (fun file ->
                    Expect.equal (Outcome.ok (load file)).InputSize 32 "a good one")

                let with' changes =
                    { passing "32" with
                        Metadata = Map.toList (statedWith (("classes", named 2) :: changes))
                    }

                written (with' [ "input_size", "64" ]) (refusedFile [ "port `image`"; "[-1, 3, 64, 64]" ])

                written
                    (with' [ "classes", named 3 ])
                    (refusedFile [ "port `probabilities`"; "[-1, 4, 32, 32]" ])

                written
                    { passing "32" with
                        Inputs = [ port "x" [ "batch"; "3"; "32"; "32" ] ]
                        Nodes =
                            [
                                {
                                    Op = "Identity"
                                    Inputs = [ "x" ]
                                    Outputs = [ OnnxContract.probabilities ]
                                    Attributes = []
                                }
                            ]
                    }
                    (refusedFile [ "no port `image`" ])

            testCase "any byte that changed, wherever it stands"
            <| fun () ->
                written (passing "32") (fun file ->
                    let content = File.ReadAllBytes file

                    for offset in 0 .. content.Length - 1 do
                        File.WriteAllBytes(file, Crafted.flip offset content)
                        refusedFile [] file)

            testCase "a byte added, and the digest cut off"
            <| fun () ->
                written (passing "32") (fun file ->
                    let content = File.ReadAllBytes file
                    File.WriteAllBytes(file, Array.append content [| 0uy |])
                    refusedFile [] file
                    let without = content.Length - SelfDigest.length - OnnxContract.digestEntry.Length
                    File.WriteAllBytes(file, content[.. without - 1])
                    refusedFile [ "no sha256"; "Export the model again" ] file)

            testCase "an answer that holds a NaN is an error, not `nothing marked`"
            <| fun () ->
                let divided =
                    { passing "32" with
                        Nodes =
                            [
                                {
                                    Op = "Div"
                                    Inputs = [ OnnxContract.image; "zero" ]
                                    Outputs = [ OnnxContract.probabilities ]
                                    Attributes = []
                                }
                            ]
                        Initialisers =
                            [
                                {
                                    Name = "zero"
                                    Value = torch.zeros ([| 1L |])
                                }
                            ]
                    }

                written divided (fun file ->
                    use engine = OnnxEngine.engine (Outcome.ok (OnnxEngine.load file 1))

                    let black =
                        Crafted.encode SkiaSharp.SKEncodedImageFormat.Png 100 40 40 (fun _ _ ->
                            0uy, 0uy, 0uy)

                    let picture = Outcome.ok (Images.decode ImageLimits.standard "black.png" black)

                    Engine.segment engine None Marking.standard picture
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ "NaN" ])

            testCase "a file that isn't there, and a folder"
            <| fun () ->
                Folder.temporary (fun folder ->
                    refusedFile [ "does not exist" ] (Path.Combine(folder, "none.onnx"))
                    load folder |> Result.map ignore |> Outcome.refusedWith 3 [ folder ])
        ]

let tests = testSequenced (testList "OnnxTrust" [ stated; files ])
