module Mcdrl.Tests.RenderedTests

open Expecto
open TorchSharp
open Mcdrl

/// Frames [B, 3, 16, 12] of noise.
let private frames (images: int64) seed =
    use generator = SeedTensors.generator (Seed.create seed)
    torch.rand ([| images; 3L; 16L; 12L |], dtype = torch.float32, generator = generator)

/// An answer of two classes that depends on every pixel it is asked about: softmax(red, green).
let private answerOf (frames: Tensor) : Tensor =
    scoped (fun () -> frames.narrow(1L, 0L, 2L).mul(scalar 3.0).softmax 1L)

let private ofDictionary conditions weights =
    match Rendered.ofDictionary conditions weights with
    | Ok rendered -> rendered
    | Error problem -> failtest (McdrlError.describe problem)

let private rendered conditions weights frames =
    Rendered.answer (ofDictionary conditions weights) answerOf frames

/// One frame with a condition done to it, as the mode does it.
let private under condition (frames: Tensor) =
    let only = ofDictionary [ condition ] [ 1.0 ] |> List.exactlyOne
    torch.stack [| for frame in frames.unbind () -> only.Render frame |]

let private apart (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float32>()

let private dictionaries =
    testList
        "dictionary"
        [
            testCase "conditions that can be done to pixels and have weight, theirs normalised over them"
            <| fun () ->
                let found =
                    ofDictionary
                        [ "a close-up view"; "blur"; "mucus"; "fog"; "blood" ]
                        [ 5.0; 1.0; 3.0; 2.0; 0.0 ]
                    |> List.map (fun each -> each.Condition, each.Weight)

                Expect.equal found [ "blur", 0.25; "mucus", 0.75 ] "two of five"

            testCase "every condition of the list is possible, and the views are not"
            <| fun () ->
                let all = Prompts.conditions |> List.map _.Name

                Expect.equal
                    (all |> List.filter (Rendered.isPossible >> not))
                    [ "a close-up view"; "a distant view" ]
                    "left out"

                Expect.equal
                    (ofDictionary all (List.replicate 12 1.0)).Length
                    Conditions.byName.Length
                    "each once"

            testCase "a dictionary with none is refused, naming its conditions and what there is to do"
            <| fun () ->
                for conditions, weights in
                    [
                        [ "a distant view"; "fog" ], [ 1.0; 1.0 ]
                        [ "a distant view"; "blur" ], [ 1.0; 0.0 ]
                    ] do
                    match Rendered.ofDictionary conditions weights with
                    | Ok _ -> failtest "nothing to render"
                    | Error problem ->
                        let text = McdrlError.describe problem
                        Expect.equal (McdrlError.exitCode problem) 2 "usage"

                        for part in conditions @ [ "“mode” rendered"; "exact"; "dim lighting" ] do
                            Expect.stringContains text part "said"
        ]

let private answers =
    testList
        "answer"
        [
            testCase "a dictionary of one pixel condition: the answer to the frame under it"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let x = frames 2L 1UL

                for condition, _ in Conditions.byName do
                    let found = rendered [ condition ] [ 2.0 ] x
                    Expect.isLessThan (apart found (answerOf (under condition x))) 1e-6f condition
                    Expect.isGreaterThan (apart found (answerOf x)) 1e-3f $"{condition} changes it"

            testCase "it is done at the typical strength"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let x = frames 1L 2UL

                let dim =
                    Conditions.dimLighting Conditions.typical (Seed.create 99UL) (x.squeeze 0L)

                Expect.isLessThan (apart (under "dim lighting" x) (dim.unsqueeze 0L)) 1e-6f "nothing is drawn"

            Property.check "equal frames get equal answers, in any company and in any order of the dictionary"
            <| fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let x = frames 5L seed

                let dictionary =
                    [
                        for index, (name, _) in List.indexed Conditions.byName ->
                            name, 1.0 + Seed.uniform (Seed.split index (Seed.create seed))
                    ]

                let ask dictionary frames =
                    let names, weights = List.unzip dictionary
                    rendered names weights frames

                let found = ask dictionary x
                let order = Seed.permutation dictionary.Length (Seed.create seed)
                let mixed = [ for index in order -> dictionary[index] ]
                let alone = ask dictionary (x.narrow (0L, 3L, 1L))

                List.ofArray found.shape = [ 5L; 2L; 16L; 12L ]
                && apart found (ask mixed x) < 1e-5f
                && apart (found.narrow (0L, 3L, 1L)) alone < 1e-5f
                && apart (found.sum 1L) (torch.ones (5L, 16L, 12L)) < 1e-5f

            Property.check "π weighs the answers, of whatever scale it is"
            <| fun (seed: uint64) (FsCheck.PositiveInt times) ->
                use _scope = torch.NewDisposeScope()
                let x = frames 1L seed
                let share = Seed.uniform (Seed.create seed)
                let scale = float times

                let expected =
                    (answerOf (under "blur" x)).mul(scalar share)
                    + (answerOf (under "blood" x)).mul(scalar (1.0 - share))

                let found = rendered [ "blur"; "blood" ] [ scale * share; scale * (1.0 - share) ] x

                apart found expected < 1e-5f

            Property.check "a condition that can't be done to pixels has no influence, whatever it weighs"
            <| fun (seed: uint64) (FsCheck.PositiveInt weight) ->
                use _scope = torch.NewDisposeScope()
                let x = frames 1L seed
                let without = rendered [ "blur"; "mucus" ] [ 1.0; 2.0 ] x

                let beside =
                    rendered [ "blur"; "a close-up view"; "mucus" ] [ 1.0; float weight; 2.0 ] x

                apart without beside < 1e-6f

            testCase "at most four frames, or those given, are asked about at once; each condition's once"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let names = Conditions.byName |> List.map fst

                for images, most in [ 1L, 4L; 2L, 4L; 3L, 3L; 6L, 6L ] do
                    let asked = ResizeArray<int64>()

                    let counted (frames: Tensor) =
                        asked.Add frames.shape[0]
                        answerOf frames

                    Rendered.answer
                        (ofDictionary names (List.replicate names.Length 1.0))
                        counted
                        (frames images 3UL)
                    |> ignore

                    Expect.equal (Seq.max asked) most $"{images} frames"
                    Expect.equal (Seq.sum asked) (images * int64 names.Length) $"{images} frames: all of them"

            testCase "no tensor is left behind"
            <| fun () ->
                use x = frames 2L 4UL

                let ask () =
                    use _answer = rendered [ "blur"; "mucus"; "reflection" ] [ 1.0; 1.0; 1.0 ] x
                    ()

                ask ()
                let before = LiveTensors.count ()
                ask ()
                Expect.equal (LiveTensors.count ()) before "none"
        ]

let tests = testSequenced (testList "Rendered" [ dictionaries; answers ])
