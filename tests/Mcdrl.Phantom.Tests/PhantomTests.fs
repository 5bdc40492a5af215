module Mcdrl.Tests.PhantomTests

open Expecto
open Mcdrl

let private kinds =
    None :: [ for kind in 0 .. Phantom.classes.Length - 1 -> Some kind ]

/// Every site with every class and none.
let private cases =
    [
        for number, site in List.indexed Phantom.sites do
            for kind in kinds ->
                site, kind, Seed.create 11UL |> Seed.split (10 * number + Option.defaultValue 9 kind)
    ]

let private difference (a: Picture) (b: Picture) =
    Array.map2 (fun x y -> abs (float x - float y)) a.Rgb b.Rgb |> Array.average

let private dice (a: LabelMap) (b: LabelMap) =
    let count labels =
        labels |> Array.filter id |> Array.length

    let one, other = Array.map ((<>) 0uy) a.Labels, Array.map ((<>) 0uy) b.Labels

    2.0 * float (count (Array.map2 (&&) one other))
    / float (count one + count other)

/// Means of 2 × 2 pixels.
let private halved (picture: Picture) : Picture =
    let side = picture.Width / 2

    { picture with
        Width = side
        Height = side
        Rgb =
            [|
                for y in 0 .. side - 1 do
                    for x in 0 .. side - 1 do
                        for c in 0..2 ->
                            let at dy dx =
                                int picture.Rgb[((2 * y + dy) * picture.Width + 2 * x + dx) * 3 + c]

                            byte ((at 0 0 + at 0 1 + at 1 0 + at 1 1) / 4)
            |]
    }

let private moves name =
    name = "a close-up view" || name = "a distant view"

let private drawing =
    testList
        "render"
        [
            testCase "equal arguments give equal bytes, another seed another picture"
            <| fun () ->
                for site, kind, seed in cases do
                    let render seed condition =
                        Phantom.render 64 (Phantom.scene site kind seed) condition seed

                    let condition = Some("blood", 0.7)
                    Expect.equal (render seed condition) (render seed condition) "the same"
                    Expect.notEqual (render seed None) (render (Seed.split 1 seed) None) "another"

            testCase "another side shows the same picture"
            <| fun () ->
                for site, kind, seed in cases do
                    let scene = Phantom.scene site kind seed
                    let large, largeMask = Phantom.render 256 scene None seed
                    let small, smallMask = Phantom.render 128 scene None seed
                    Expect.isLessThan (difference (halved large) small) 8.0 "looks"

                    let share (map: LabelMap) =
                        float (map.Labels |> Array.filter ((<>) 0uy) |> Array.length)
                        / float map.Labels.Length

                    Expect.floatClose
                        { absolute = 0.004; relative = 0.05 }
                        (share smallMask)
                        (share largeMask)
                        "mask"

            testCase "the mask holds the lesion's label, where the scene says, clear of the border"
            <| fun () ->
                for site, kind, seed in cases do
                    let scene = Phantom.scene site kind seed
                    let _, mask = Phantom.render 96 scene None seed

                    let marked =
                        [
                            for index in 0 .. mask.Labels.Length - 1 do
                                if mask.Labels[index] <> 0uy then
                                    mask.Labels[index], index % 96, index / 96
                        ]

                    match scene.Lesion with
                    | None -> Expect.isEmpty marked "normal mucosa has no mask"
                    | Some lesion ->
                        Expect.isGreaterThan marked.Length 50 "a lesion is seen"
                        Expect.all marked (fun (label, _, _) -> int label = lesion.Class + 1) "one label"

                        Expect.all
                            marked
                            (fun (_, x, y) -> x > 0 && y > 0 && x < 95 && y < 95)
                            "inside the frame"

                        let middle values =
                            (List.averageBy float values + 0.5) / 96.0

                        let x = middle [ for _, x, _ in marked -> x ]
                        let y = middle [ for _, _, y in marked -> y ]

                        Expect.isLessThan
                            (sqrt ((x - lesion.X) ** 2.0 + (y - lesion.Y) ** 2.0))
                            (0.8 * lesion.Radius)
                            "place"

            testCase "a condition that doesn't move the camera leaves the mask; every condition is seen"
            <| fun () ->
                for site, kind, seed in cases do
                    let scene = Phantom.scene site kind seed
                    let plain, mask = Phantom.render 64 scene None seed

                    for name in Phantom.conditions do
                        let picture, changed = Phantom.render 64 scene (Some(name, 1.0)) seed
                        Expect.isGreaterThan (difference plain picture) 1.5 $"{name} at {site.Name}"

                        if not (moves name) then
                            Expect.equal changed mask name

            testCase "a stronger condition changes more"
            <| fun () ->
                let site = Phantom.sites.Head
                let seed = Seed.create 5UL
                let scene = Phantom.scene site (Some 0) seed
                let plain, _ = Phantom.render 64 scene None seed

                for name in Phantom.conditions do
                    let change strength =
                        difference plain (fst (Phantom.render 64 scene (Some(name, strength)) seed))

                    Expect.isLessThan (change 0.1) (change 1.0) name

            testCase "narrow-band light takes the redness from tissue and inflammation alike"
            <| fun () ->
                let seed = Seed.create 7UL
                let scene = Phantom.scene Phantom.sites.Head (Some 2) seed

                let redness condition =
                    let picture, _ = Phantom.render 64 scene condition seed

                    let mean channel =
                        Seq.init (64 * 64) (fun i -> float picture.Rgb[3 * i + channel]) |> Seq.average

                    mean 0 - mean 1

                Expect.isGreaterThan (redness None) 20.0 "white light"
                Expect.isLessThan (redness (Some("narrow-band imaging", 1.0))) 0.0 "narrow band"
        ]

let private undoing =
    testList
        "undo"
        [
            testCase "brings the mask of a moved camera back to the reference view"
            <| fun () ->
                for site, kind, seed in cases do
                    if kind.IsSome then
                        let scene = Phantom.scene site kind seed
                        let _, mask = Phantom.render 160 scene None seed

                        for name in List.filter moves Phantom.conditions do
                            for strength in [ 0.5; 1.0 ] do
                                let condition = Some(name, strength)
                                let _, moved = Phantom.render 160 scene condition seed
                                Expect.isLessThan (dice mask moved) 0.9 $"{name} moves"
                                let back = Phantom.undo scene condition moved
                                Expect.isGreaterThan (dice mask back) 0.87 $"{name} {strength} at {site.Name}"

            testCase "nothing to undo without a moved camera"
            <| fun () ->
                let seed = Seed.create 3UL
                let scene = Phantom.scene Phantom.sites.Head (Some 1) seed
                let _, mask = Phantom.render 64 scene None seed

                for name in List.filter (moves >> not) Phantom.conditions do
                    Expect.equal (Phantom.undo scene (Some(name, 1.0)) mask) mask name
        ]

let private draws = 3000

let private frequencies site confounded kind =
    List.init draws (fun index -> Phantom.condition site confounded kind (Seed.split index (Seed.create 1UL)))
    |> List.countBy fst
    |> Map.ofList

let private biased =
    testList
        "condition"
        [
            testCase "the usual conditions are the dictionary's, and none is usual for two classes"
            <| fun () ->
                Expect.equal
                    Phantom.conditions
                    [ for condition in Prompts.conditions -> condition.Name ]
                    "words"

                let usual = List.collect Phantom.usual [ 0 .. Phantom.classes.Length - 1 ]
                Expect.equal (List.sort usual) (List.sort Phantom.conditions) "each once"
                Expect.isEmpty (Phantom.usual 5) "no such class"

            testCase "confounded: a usual condition with the site's probability"
            <| fun () ->
                for site in Phantom.sites do
                    for kind in 0 .. Phantom.classes.Length - 1 do
                        let found = frequencies site true (Some kind)

                        let usual =
                            Phantom.usual kind
                            |> List.sumBy (fun name -> Map.tryFind name found |> Option.defaultValue 0)

                        Expect.isLessThan
                            (abs (float usual / float draws - site.Bias))
                            0.025
                            $"{site.Name} {kind}"

            testCase "not confounded, or nothing to confound with: uniform"
            <| fun () ->
                for site in Phantom.sites do
                    for confounded, kind in [ true, None; false, None; false, Some 0; false, Some 3 ] do
                        let found = frequencies site confounded kind

                        for name in Phantom.conditions do
                            let share = float (Map.tryFind name found |> Option.defaultValue 0) / float draws
                            Expect.isLessThan (abs (share - 1.0 / 12.0)) 0.02 $"{name} at {site.Name}"

            testCase "strengths lie in (0, 1]"
            <| fun () ->
                for index in 0..500 do
                    let _, strength =
                        Phantom.condition Phantom.sites.Head true (Some 2) (Seed.create (uint64 index))

                    Expect.isTrue (strength > 0.0 && strength <= 1.0) $"{strength}"

            testCase "sites show every class and normal mucosa in their own shares"
            <| fun () ->
                for site in Phantom.sites do
                    let drawn =
                        List.init 4000 (fun index -> Phantom.lesion site (Seed.create (uint64 index)))

                    let share kind =
                        float (drawn |> List.filter ((=) kind) |> List.length) / 4000.0

                    Expect.isLessThan (abs (share None - site.Normal)) 0.02 "normal"

                    for kind, weight in List.indexed site.Classes do
                        let expected = (1.0 - site.Normal) * weight / List.sum site.Classes
                        Expect.isLessThan (abs (share (Some kind) - expected)) 0.03 $"{site.Name} {kind}"

            testCase "a drawn hospital is none of the five, differs from the next, and has no bias"
            <| fun () ->
                let drawn = [ for number in 0UL .. 49UL -> PhantomSites.drawn (Seed.create number) ]

                Expect.equal (drawn |> List.distinct |> List.length) 50 "each its own"

                for site in drawn do
                    Expect.isFalse
                        (Phantom.sites |> List.exists (fun known -> known.Optics = site.Optics))
                        "unseen"

                    let condition, _ = Phantom.condition site true (Some 1) (Seed.create 3UL)
                    Expect.isFalse (List.contains condition (Phantom.usual 1)) "no usual condition"
        ]

let tests = testList "Phantom" [ drawing; undoing; biased ]
