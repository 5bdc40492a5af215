module Mcdrl.Cli.Tests.EncodeVerbTests

open System
open System.IO
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Cli.Tests.CommandLine

let private inOutput work =
    let path = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}.safetensors")

    try
        work path
    finally
        File.Delete path

let private fixture name = Shared.path $"fixtures/clip/{name}"

let private parity name extra =
    test name {
        inOutput (fun out ->
            use _scope = torch.NewDisposeScope()
            let expected = fixture $"{name}.expected.safetensors"
            let weights = fixture $"{name}.openai.safetensors"

            let outcome =
                mcdrl
                    [
                        "encode"
                        "--weights"
                        weights
                        "--tensors"
                        expected
                        "--out"
                        out
                        "--json"
                    ]

            Expect.equal outcome.Code 0 outcome.Err
            let line = Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"

            Expect.equal
                (line.GetProperty("tensors").GetProperty("image_features").[1].GetInt32())
                32
                "width"

            let found = (Expect.wantOk (Safetensors.read out) "readable").Tensors
            let wanted = (Expect.wantOk (Safetensors.read expected) "readable").Tensors

            for tensor in [ "image_features"; "text_features"; "dense_maskclip" ] @ extra do
                let a, b = found[tensor], wanted[tensor]

                Expect.isLessThan
                    (a.sub(b).norm().``to``(torch.float64).item<float>()
                     / b.norm().``to``(torch.float64).item<float>())
                    1e-5
                    tensor)
    }

let tests =
    testSequenced (
        testList
            "encode"
            [
                parity "vit-tiny" [ "dense_plain" ]
                parity "rn-tiny" []

                test "wrong usage" {
                    for arguments in
                        [
                            []
                            [ "--weights"; "w" ]
                            [ "--weights"; "w"; "--out"; "o" ]
                            [ "--weights"; "w"; "--out"; "o"; "--images"; "i"; "--tensors"; "t" ]
                            [ "--weights"; "w"; "--out"; "o"; "--tensors"; "t"; "--colour" ]
                            [ "--weights"; "w"; "--out"; "o"; "--prompts"; "p" ]
                            [ "--weights"; "w"; "--text-weights"; "t"; "--out"; "o"; "--prompts"; "p" ]
                            [ "--text-weights"; "w"; "--out"; "o"; "--images"; "i" ]
                            [ "--text-weights"; "w"; "--out"; "o"; "--prompts"; "p"; "--images"; "i" ]
                        ] do
                        Expect.equal (mcdrl ("encode" :: arguments)).Code 2 (String.concat " " arguments)
                }

                test "a weights file that is not there" {
                    let outcome =
                        mcdrl [ "encode"; "--weights"; "/nonexistent/w"; "--tensors"; "t"; "--out"; "o" ]

                    Expect.equal outcome.Code 3 "model"
                    Expect.stringContains outcome.Err "/nonexistent/w" "named"
                }

                test "prompts become a table that training reads" {
                    inOutput (fun out ->
                        Folder.temporary (fun folder ->
                            let encoder = Path.Combine(folder, "sentences")
                            World.writeSentenceEncoder encoder
                            let prompts = Path.Combine(folder, "prompts.txt")
                            File.WriteAllText(prompts, "A polyp with blur\nulcer\n")

                            let outcome =
                                mcdrl
                                    [
                                        yield! [ "encode"; "--prompts"; prompts; "--text-weights"; encoder ]
                                        yield! [ "--out"; out; "--json" ]
                                    ]

                            Expect.equal outcome.Code 0 outcome.Err
                            let line = Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"
                            Expect.equal (line.GetProperty("tower").GetString()) "BERT 2x8" "by which"
                            use _scope = torch.NewDisposeScope()
                            let table = Outcome.ok (PromptTable.ofFile out [ "ulcer" ])
                            Expect.equal (List.ofArray table.shape) [ 1L; 8L ] "a row"))
                }

                test "an output that is an image, or a link to one, is refused, and the image kept" {
                    Folder.temporary (fun folder ->
                        let images = Directory.CreateDirectory(Path.Combine(folder, "in")).FullName
                        let image = Path.Combine(images, "a.png")
                        File.Copy(Shared.path "fixtures/preprocess/squash224.png", image)
                        let bytes = File.ReadAllBytes image
                        let link = Path.Combine(folder, "link.png")
                        File.CreateSymbolicLink(link, image) |> ignore

                        for out in [ image; link ] do
                            let outcome =
                                mcdrl
                                    [
                                        yield!
                                            [ "encode"; "--weights"; fixture "vit-tiny.openai.safetensors" ]
                                        yield! [ "--images"; images; "--out"; out ]
                                    ]

                            Expect.equal outcome.Code 2 outcome.Err

                            Expect.stringContains
                                outcome.Err
                                "would be replaced. Choose another --out"
                                "said"

                            Expect.equal (File.ReadAllBytes image) bytes "as it was")
                }

                test "an output that is a file of the sentence encoder is refused" {
                    Folder.temporary (fun folder ->
                        World.writeSentenceEncoder folder
                        let prompts = Path.Combine(folder, "prompts.md")
                        File.WriteAllText(prompts, "a polyp")
                        let file = Path.Combine(folder, "config.json")

                        let outcome =
                            mcdrl [ "encode"; "--prompts"; prompts; "--text-weights"; folder; "--out"; file ]

                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err "would be replaced" "said")
                }

                test "an output that is a folder is refused before anything is encoded" {
                    Folder.temporary (fun folder ->
                        let outcome =
                            mcdrl
                                [
                                    "encode"
                                    "--weights"
                                    "/nonexistent/w"
                                    "--images"
                                    folder
                                    "--out"
                                    folder
                                ]

                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err "Name a file" "said")
                }

                test "a bad image among good ones: the rest is done, exit 1" {
                    inOutput (fun out ->
                        let folder = Directory.CreateTempSubdirectory "mcdrl-"

                        try
                            File.Copy(
                                Shared.path "fixtures/preprocess/squash224.png",
                                Path.Combine(folder.FullName, "good.png")
                            )

                            File.WriteAllText(Path.Combine(folder.FullName, "bad.png"), "")
                            File.WriteAllText(Path.Combine(folder.FullName, "._good.png"), "")
                            File.WriteAllText(Path.Combine(folder.FullName, "other.tga"), "")

                            let outcome =
                                mcdrl
                                    [
                                        "encode"
                                        "--weights"
                                        fixture "vit-tiny.openai.safetensors"
                                        "--images"
                                        folder.FullName
                                        "--out"
                                        out
                                    ]

                            Expect.equal outcome.Code 1 outcome.Err
                            Expect.stringContains outcome.Err "bad.png" "named"
                            Expect.stringContains outcome.Err "1 left out" "counted"
                            Expect.stringContains outcome.Err "other.tga" "named too"
                            Expect.isFalse (outcome.Err.Contains "._good") "the system's is no image"
                            Expect.isTrue (File.Exists out) "written"
                        finally
                            folder.Delete true)
                }
            ]
    )
