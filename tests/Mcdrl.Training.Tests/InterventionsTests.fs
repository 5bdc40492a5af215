module Mcdrl.Tests.InterventionsTests

open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open Mcdrl

let private side = 48

let private phantom: PhantomRequest =
    {
        Out = ""
        Sites = 2
        Images = 8
        Seed = 5UL
        Side = side
        Confounded = true
        Force = false
    }

/// Two phantom sites, and a model of their five classes trained for a moment on the first, in the folder given.
let private write folder =
    let data = Path.Combine(folder, "data")

    PhantomDataset.write { phantom with Out = data } Progress.none
    |> Outcome.ok
    |> ignore

    World.writeTower (Path.Combine(folder, "tower.safetensors"))
    use _scope = torch.NewDisposeScope()
    let prompts = Prompts.all Phantom.classes World.conditions
    let embeddings = SeedTensors.normal [ int64 prompts.Length; 32L ] (Seed.create 11UL)

    Safetensors.write
        (Path.Combine(folder, "text.safetensors"))
        (Map [ "prompts", JsonSerializer.Serialize prompts ])
        [ "embeddings", embeddings ]
    |> Outcome.ok

    World.train
        { World.request folder "run" with
            LeaveOut = Some "p2"
        }
    |> Outcome.ok
    |> ignore

let private evaluate folder change =
    use segmenter =
        Outcome.ok (Segmenter.load (Path.Combine(folder, "run", "model")) "cpu")

    let request: InterventionalRequest =
        {
            Data = Path.Combine(folder, "data")
            Sites = [ "p2" ]
            Strength = None
            Images = None
            Seed = 1UL
        }

    InterventionalEvaluator.evaluate [ "tiny", segmenter ] None (change request) Progress.none

/// Scenes of two lesions and one of normal mucosa, as interventions.
let private scenes =
    lazy
        (let site = Phantom.sites.Head

         [| Some 0; Some 3; None |]
         |> Array.mapi (fun index lesion ->
             {
                 Site = site.Name
                 Stem = string index
                 Image = $"{index}.png"
                 Mask = $"{index}.png"
             },
             Phantom.scene site lesion (Seed.create (uint64 index)))
         |> Interventions.ofScenes 0.7 (Seed.create 1UL) 96)

let private show index condition =
    (Outcome.ok (scenes.Value.Scenes[index].Open())) condition

let private rendering =
    testList
        "phantom scenes"
        [
            test "every condition of the dictionary is done, and nothing else changes" {
                Expect.equal scenes.Value.Conditions Phantom.conditions "conditions"
                Expect.equal scenes.Value.LeftOut [] "none left out"
                let reference = show 0 None

                for name in Phantom.conditions do
                    use _scope = torch.NewDisposeScope()
                    let shown = show 0 (Some name)
                    let change = shown.Frame(32).sub(reference.Frame 32).abs().mean().item<float32>()
                    Expect.isGreaterThan change 0.001f name

                    if shown.Still then
                        Expect.equal shown.Truth reference.Truth $"{name} leaves the lesion where it is"
            }

            test
                "the camera's way is undone: the lesion is back in its place, and what was out of sight is unseen" {
                let reference = show 0 None

                for name, hides in [ "a close-up view", true; "a distant view", false ] do
                    let shown = show 0 (Some name)
                    Expect.isFalse shown.Still name
                    Expect.notEqual shown.Truth reference.Truth "it moved"
                    let back = shown.InReference shown.Truth
                    let unseen = back |> Array.filter ((=) Interventional.unseen) |> Array.length
                    Expect.equal (unseen > 0) hides $"{name} hides a margin"
                    let struct (dice, _) = Interventional.overlap 5 back reference.Truth.Labels
                    Expect.isGreaterThan dice 0.85 $"{name}: the lesion is back"

                    let struct (moved, _) =
                        Interventional.overlap 5 shown.Truth.Labels reference.Truth.Labels

                    Expect.isLessThan moved (dice - 0.05) "it would not have been without"
            }

            test "the bias known is the one that confounded data are drawn with; normal mucosa has none" {
                for name in Phantom.conditions do
                    let usual index = scenes.Value.Scenes[index].Usual name
                    Expect.equal (usual 0) (Some(List.contains name (Phantom.usual 0))) "first class"
                    Expect.equal (usual 1) (Some(List.contains name (Phantom.usual 3))) "fourth"
                    Expect.equal (usual 2) None "normal"
            }

            test "the same frame at every call" {
                use _scope = torch.NewDisposeScope()
                let one, two = (show 1 (Some "blood")).Frame 32, (show 1 (Some "blood")).Frame 32
                Expect.equal (one.sub(two).abs().max().item<float32>()) 0f "equal"
            }
        ]

let private evaluating =
    testList
        "evaluation"
        [
            testCase "a phantom folder is rendered again: all twelve conditions and the gap"
            <| fun () ->
                Folder.temporary (fun folder ->
                    write folder
                    let found = Outcome.ok (evaluate folder id)
                    let report = found.Models.Head.Report
                    Expect.equal (found.Images, found.LeftOut) (8, []) "scenes"
                    Expect.equal found.Strength 0.7 "of rendered conditions"
                    Expect.equal found.Models.Head.Seen [] "an unseen site"
                    Expect.equal (report.Conditions |> List.map _.Condition) Phantom.conditions "conditions"

                    let known = Outcome.ok (PhantomDataset.scenes (Path.Combine(folder, "data")))

                    let lesions =
                        known.Frames
                        |> List.filter (fun frame -> frame.Site = "p2" && frame.Lesion.IsSome)

                    Expect.equal
                        (Option.get report.ConfoundingGap).Count
                        lesions.Length
                        "scenes with a class"

                    let grounded =
                        report.Conditions |> List.filter _.Grounding.IsSome |> List.map _.Condition

                    Expect.equal grounded [ "blur"; "mucus"; "blood" ] "conditions of the model's dictionary"

                    for row in report.Conditions do
                        Expect.equal
                            row.DoMasks.IsSome
                            row.Grounding.IsSome
                            $"{row.Condition}: its masks, too"

                    // The reference frames, one by one.
                    use segmenter =
                        Outcome.ok (Segmenter.load (Path.Combine(folder, "run", "model")) "cpu")

                    let dices =
                        [
                            for index, frame in List.indexed known.Frames do
                                if frame.Site = "p2" then
                                    let scene, _, _ = Outcome.ok (PhantomDataset.scene frame)
                                    let name = $"{index - 8 + 1:D5}"

                                    let seed =
                                        Seed.create 1UL
                                        |> Seed.named "p2"
                                        |> Seed.named name
                                        |> Seed.named "reference"

                                    let picture, truth = Phantom.render side scene None seed
                                    let marked = (Segmenter.segment segmenter None picture).Upright

                                    let struct (dice, _) =
                                        Interventional.overlap 5 marked.Labels truth.Labels

                                    dice
                        ]

                    World.sameScoreButForTies report.Reference.Dice.Mean (List.average dices) "reference"

                    // A frame that scenes.json doesn't know.
                    let extra kind =
                        let at name =
                            Path.Combine(folder, "data", "p2", kind, name)

                        File.Copy(at "00001.png", at "00009.png")

                    List.iter extra [ "images"; "masks" ]
                    evaluate folder id |> Outcome.refusedWith 4 [ "00009.png"; "scenes.json" ])
        ]

let tests = testSequenced (testList "Interventions" [ rendering; evaluating ])
