module Mcdrl.Tests.EncoderTests

open System.IO
open System.Text.Json
open System.Threading
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private ok outcome = Expect.wantOk outcome "succeeds"

let private weights () =
    Shared.path "fixtures/clip/vit-tiny.openai.safetensors"

let private request source folder =
    {
        Weights = weights ()
        Source = source
        Out = Path.Combine(folder, "out.safetensors")
        Device = "cpu"
    }

let private encode request = Encoder.encode request Progress.none

let private withTensors (tensors: (string * Tensor) list) work =
    use _scope = torch.NewDisposeScope()

    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "in.safetensors")
        ok (Safetensors.write path Map.empty tensors)
        work (request (EncodeSource.Tensors path) folder))

let private refused code name tensors (part: string) =
    testCase name
    <| fun () ->
        withTensors (tensors ()) (fun request ->
            let error = Expect.wantError (encode request) "refused"
            Expect.equal (McdrlError.exitCode error) code "family"
            Expect.stringContains (McdrlError.describe error) part "reason"
            Expect.isFalse (File.Exists request.Out) "nothing written")

let private tensors =
    testList
        "tensors"
        [
            testCase "more rows than go through at once, in their order; no tensor is left behind"
            <| fun () ->
                let images = Drawn.normal [| 6L; 3L; 64L; 64L |]

                withTensors [ "image", images ] (fun request ->
                    let before = LiveTensors.count ()
                    let report = ok (encode request)
                    Expect.equal torch.Tensor.TotalCount before "nothing is left behind"

                    Expect.equal
                        report.Written
                        [
                            "image_features", [ 6L; 32L ]
                            "dense_plain", [ 6L; 4L; 4L; 32L ]
                            "dense_maskclip", [ 6L; 4L; 4L; 32L ]
                        ]
                        "written"

                    let found = ok (Safetensors.read request.Out)
                    let tower = (ok (Weights.load request.Weights)).Tower
                    use _noGrad = torch.no_grad ()
                    let alone = Tower.forward DenseMode.Maskclip tower (images.narrow (0L, 5L, 1L))
                    let row = found.Tensors["dense_maskclip"].narrow(0L, 5L, 1L)

                    Expect.isLessThan
                        (row.sub(alone.Dense).abs().max().``to``(torch.float64).item<float>())
                        1e-5
                        "row 5")

            refused 4 "neither image nor tokens" (fun () -> [ "x", torch.ones [| 1L |] ]) "neither"
            refused
                4
                "sides that are no multiple of the patch"
                (fun () -> [ "image", torch.ones (1L, 3L, 60L, 64L) ])
                "multiples of 16"
            refused 4 "four channels" (fun () -> [ "image", torch.ones (1L, 4L, 64L, 64L) ]) "[n, 3, h, w]"
            refused 4 "no image" (fun () -> [ "image", torch.ones (0L, 3L, 64L, 64L) ]) "[n, 3, h, w]"
            refused
                4
                "bytes"
                (fun () -> [ "image", torch.ones ([| 1L; 3L; 64L; 64L |], dtype = torch.uint8) ])
                "not F32"
            refused
                3
                "NaN"
                (fun () -> [ "image", torch.full ([| 1L; 3L; 64L; 64L |], nanf.ToScalar()) ])
                "NaN"
            refused
                4
                "an id beyond the vocabulary"
                (fun () ->
                    [
                        "tokens", torch.full ([| 1L; 5L |], (49408L).ToScalar(), dtype = torch.int64)
                    ])
                "49407"
            refused
                4
                "a negative id"
                (fun () -> [ "tokens", torch.full ([| 1L; 5L |], (-1L).ToScalar(), dtype = torch.int64) ])
                "49407"
            refused
                4
                "78 tokens"
                (fun () -> [ "tokens", torch.zeros ([| 1L; 78L |], dtype = torch.int64) ])
                "at most 77"
            refused 4 "tokens as floats" (fun () -> [ "tokens", torch.zeros (1L, 77L) ]) "not I64"

            testCase "tokens for a tower without text"
            <| fun () ->
                withTensors [ "tokens", torch.zeros ([| 1L; 77L |], dtype = torch.int64) ] (fun request ->
                    let error =
                        Expect.wantError
                            (encode
                                { request with
                                    Weights = Shared.path "weights/resnet50-imagenet"
                                })
                            "refused"

                    Expect.equal (McdrlError.exitCode error) 2 "usage")

            testCase "cancelled before the end: an error, no file"
            <| fun () ->
                withTensors [ "image", Drawn.normal [| 6L; 3L; 64L; 64L |] ] (fun request ->
                    use source = new CancellationTokenSource()

                    let outcome =
                        Encoder.encode
                            request
                            {
                                Tell = (fun _ -> source.Cancel())
                                Cancel = source.Token
                            }

                    Expect.equal outcome (Error McdrlError.Cancelled) "cancelled"
                    Expect.isFalse (File.Exists request.Out) "nothing written")
        ]

let private images =
    testList
        "images"
        [
            testCase "CLIP's own preprocessing: the features of the fixture's centre square"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                Folder.temporary (fun folder ->
                    let frames = Path.Combine(folder, "frames")
                    Directory.CreateDirectory(Path.Combine(frames, "b")) |> ignore

                    File.Copy(
                        Shared.path "fixtures/preprocess/frame.png",
                        Path.Combine(frames, "b", "ä 1.PNG")
                    )

                    File.Copy(Shared.path "fixtures/preprocess/up512.png", Path.Combine(frames, "a.png"))
                    File.WriteAllText(Path.Combine(frames, "bad.jpg"), "no image")
                    File.WriteAllText(Path.Combine(frames, "notes.txt"), "no image either")

                    let request =
                        { request (EncodeSource.Images frames) folder with
                            Weights = Shared.path "weights/resnet50-imagenet"
                        }

                    let report = ok (encode request)

                    Expect.equal
                        [ for path, _ in report.Failed -> Path.GetFileName path ]
                        [ "bad.jpg" ]
                        "the bad one is reported"

                    let content = ok (Safetensors.read request.Out)

                    Expect.equal
                        (JsonSerializer.Deserialize<string array> content.Metadata["files"])
                        [| "a.png"; Path.Combine("b", "ä 1.PNG") |]
                        "rows"

                    let tower = (ok (Weights.load request.Weights)).Tower
                    let mean, std = Tower.normalisation tower

                    let channel (values: float list) =
                        torch.tensor(Array.ofList values, dtype = torch.float32).view(1L, 3L, 1L, 1L)

                    let square =
                        ok (Images.read ImageLimits.standard (Shared.path "fixtures/preprocess/clip224.png"))
                        |> RasterTensors.ofPicture

                    let input =
                        square.unsqueeze(0L).div((255.0).ToScalar()).sub(channel mean).div(channel std)

                    use _noGrad = torch.no_grad ()
                    let wanted = (Tower.forward DenseMode.Plain tower input).Image
                    let found = content.Tensors["image_features"].narrow(0L, 1L, 1L)

                    Expect.isLessThan
                        (found.sub(wanted).norm().``to``(torch.float64).item<float>()
                         / wanted.norm().``to``(torch.float64).item<float>())
                        1e-4
                        "features")

            testCase "a folder without images, none at all, and only bad ones are data errors"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let family () =
                        Expect.wantError (encode (request (EncodeSource.Images folder) folder)) "refused"
                        |> McdrlError.exitCode

                    Expect.equal (family ()) 4 "empty"
                    File.WriteAllText(Path.Combine(folder, "bad.png"), "no image")
                    Expect.equal (family ()) 4 "bad"
                    let absent = EncodeSource.Images(Path.Combine(folder, "absent"))
                    Expect.isError (encode (request absent folder)) "absent")
        ]

let private texts =
    let within (lines: string) work =
        use _scope = torch.NewDisposeScope()

        Folder.temporary (fun folder ->
            let file = Path.Combine(folder, "prompts.txt")
            File.WriteAllText(file, lines)
            let encoder = Path.Combine(folder, "sentences")
            World.writeSentenceEncoder encoder

            work
                { request (EncodeSource.Prompts file) folder with
                    Weights = encoder
                })

    testList
        "prompts"
        [
            testCase "a table: each line once, rows of length 1 as the encoder gives them"
            <| fun () ->
                within "\uFEFFulcer\r\nA polyp with blur\n\n  ulcer \n日本" (fun request ->
                    let before = LiveTensors.count ()
                    let report = ok (encode request)
                    Expect.equal torch.Tensor.TotalCount before "nothing is left behind"
                    Expect.equal report.Tower "BERT 2x8" "which"
                    Expect.equal report.Written [ "embeddings", [ 3L; 8L ] ] "written"
                    let prompts = [ "日本"; "ulcer"; "A polyp with blur" ]
                    let found = ok (PromptTable.ofFile request.Out prompts)

                    let expected =
                        ok (
                            TextEncoder.features
                                (TextEncoder.Bert(ok (SentenceEncoder.load request.Weights)))
                                prompts
                        )

                    Expect.isTrue (found.allclose (expected, 1e-5, 1e-6)) "rows")

            testCase "what is read is not written over"
            <| fun () ->
                within "ulcer" (fun request ->
                    let prompts =
                        match request.Source with
                        | EncodeSource.Prompts path -> path
                        | other -> failtest $"{other}"

                    encode { request with Out = prompts }
                    |> Outcome.refusedWith 2 [ prompts; "what is read" ]

                    Expect.equal (File.ReadAllText prompts) "ulcer" "kept")

                withTensors [ "image", torch.randn [| 1L; 3L; 64L; 64L |] ] (fun request ->
                    let folder = nonNull (Path.GetDirectoryName request.Out)
                    let tensors = Path.Combine(folder, "in.safetensors")
                    let link = Path.Combine(folder, "link.safetensors")
                    File.CreateSymbolicLink(link, tensors) |> ignore
                    let copy = Path.Combine(folder, "weights.safetensors")
                    File.Copy(weights (), copy)
                    let before = File.ReadAllBytes tensors

                    for out in [ tensors; link; copy ] do
                        encode
                            { request with
                                Out = out
                                Weights = copy
                            }
                        |> Outcome.refusedWith 2 [ out; "what is read" ]

                    Expect.equal (File.ReadAllBytes tensors) before "kept")

            testCase "no prompt, no file and weights that are no sentence encoder's"
            <| fun () ->
                within "\n \n" (fun request -> encode request |> Outcome.refusedWith 4 [ "no prompt" ])

                within "ulcer" (fun request ->
                    { request with
                        Source = EncodeSource.Prompts "/nowhere/prompts.txt"
                    }
                    |> encode
                    |> Outcome.refusedWith 4 [ "/nowhere/prompts.txt" ]

                    { request with Weights = weights () }
                    |> encode
                    |> Outcome.refusedWith 3 [ "config.json" ]

                    Expect.isFalse (File.Exists request.Out) "nothing written")
        ]

let tests = testSequenced (testList "Encoder" [ tensors; images; texts ])
