module Mcdrl.Tests.CaptionsTests

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl

let private classes = [ "polyp"; "inflammation"; "cyst" ]
let private conditions = Prompts.conditions |> List.map _.Name

/// A frame of `side` pixels with label `label` in a square.
let private frame side label (left, top, width) : LabelMap =
    {
        Width = side
        Height = side
        Labels =
            [|
                for y in 0 .. side - 1 do
                    for x in 0 .. side - 1 do
                        if x >= left && x < left + width && y >= top && y < top + width then
                            byte label
                        else
                            0uy
            |]
    }

let private description: Gen<Description> =
    gen {
        let! lesion =
            Gen.optionOf (
                Gen.map3
                    (fun lesion place size ->
                        {
                            Class = lesion
                            Place = place
                            Size = size
                        })
                    (Gen.elements classes)
                    (Gen.elements Captions.places)
                    (Gen.elements Captions.sizes)
            )

        let! condition = Gen.optionOf (Gen.elements conditions)

        return
            {
                Lesion = lesion
                Condition = condition
            }
    }

let private forDescriptions law =
    Prop.forAll (Arb.fromGen (Gen.two description)) law

let tests =
    testList
        "Captions"
        [
            testCase "a frame is described by what its ground truth shows"
            <| fun () ->
                let told label square =
                    Captions.describe classes (frame 20 label square) None

                Expect.isNone (told 1 (0, 0, 0)).Lesion "nothing in view"

                Expect.equal
                    (told 2 (0, 0, 4)).Lesion
                    (Some
                        {
                            Class = "inflammation"
                            Place = "upper left"
                            Size = "small"
                        })
                    "16 of 400 pixels in the corner"

                Expect.equal
                    (told 3 (14, 7, 6)).Lesion
                    (Some
                        {
                            Class = "cyst"
                            Place = "right"
                            Size = "medium"
                        })
                    "36 of 400 pixels"

                Expect.equal
                    (told 1 (5, 10, 10)).Lesion
                    (Some
                        {
                            Class = "polyp"
                            Place = "bottom"
                            Size = "large"
                        })
                    "100 of 400 pixels"

            Property.check "every sentence about a frame is true of it"
            <| forDescriptions (fun (told, _) ->
                let claims = Captions.claims told

                Captions.ofDescription told
                |> List.forall (fun caption ->
                    not caption.Claims.IsEmpty && Set.isSubset caption.Claims claims))

            Property.check "equal sentences claim the same, so the grammar is not ambiguous"
            <| forDescriptions (fun (a, b) ->
                let ofBoth = Captions.ofDescription a @ Captions.ofDescription b

                ofBoth
                |> List.groupBy _.Text
                |> List.forall (fun (_, same) ->
                    same |> List.map _.Claims |> List.distinct |> List.length = 1))

            Property.check "a drawn caption is one of the grammar's, drawn once, the same for the same seed"
            <| forDescriptions (fun (told, _) ->
                let drawn = Captions.draw 3 (Seed.create 5UL) told
                let texts = drawn |> List.map _.Text
                let grammar = Captions.ofDescription told

                drawn.Length = min 3 grammar.Length
                && List.distinct texts = texts
                && List.forall (fun caption -> List.contains caption grammar) drawn
                && drawn = Captions.draw 3 (Seed.create 5UL) told)

            testCase "the method's own prompts are sentences of the grammar"
            <| fun () ->
                let all = Captions.all classes conditions |> Set.ofList

                for prompt in Prompts.all classes conditions do
                    Expect.isTrue (all.Contains prompt) prompt

            testProperty
                "the truth matrix holds what the claims say, and every caption is true of its own frame"
            <| forDescriptions (fun (a, b) ->
                use _scope = torch.NewDisposeScope()
                let frames = [ a; b ]

                let captions =
                    frames |> List.collect (fun frame -> Captions.draw 1 (Seed.create 3UL) frame)

                let truth = (Captions.truth frames captions).data<float32>().ToArray()

                let isTrue frame caption =
                    Set.isSubset caption.Claims (Captions.claims frame)

                let expected =
                    [|
                        for frame in frames do
                            for caption in captions do
                                if isTrue frame caption then 1.0f else 0.0f
                    |]

                truth = expected && truth[0] = 1.0f && truth[3] = 1.0f)
        ]
