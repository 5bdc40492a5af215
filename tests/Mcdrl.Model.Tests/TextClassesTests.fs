module Mcdrl.Tests.TextClassesTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private normal shape seed =
    (SeedTensors.normal shape (Seed.create seed)).``to`` torch.float64

let private distance (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float>()

let private weights cells image : TextClasses =
    {
        cells = (scalar cells).view 1L
        image = (scalar image).view 1L
    }

/// Texts [1 or B, 3, 8], images [B, 8], map [B', H, W, 8] → [B', 3, H, W], as `Network.logits` does it.
let private scoresOf weights texts (image: Tensor) map =
    TextClasses.scores
        weights
        (Regions.similarity map texts)
        (Regions.similarity (image.unsqueeze(1L).unsqueeze 1L) texts)

let private scores weights value =
    scoresOf
        weights
        (normal [ 1L; 3L; 8L ] value)
        (normal [ 2L; 8L ] (value + 1UL))
        (normal [ 4L; 2L; 3L; 8L ] (value + 2UL))

let tests =
    testSequenced
    <| testList
        "TextClasses"
        [
            testProperty "the texts split P(lesion) and leave it as it is" (fun (value: uint64) ->
                let lesion = normal [ 4L; 2L; 2L; 3L ] value
                let p = (TextClasses.split lesion (scores (weights 1.0 1.0) value)).softmax 1L
                distance (p.narrow(1L, 1L, 3L).sum 1L) ((lesion.softmax 1L).select(1L, 1L)) < 1e-10)

            testProperty "a cell's own text gains most, and so does the image's" (fun (value: uint64) ->
                let texts = normal [ 1L; 3L; 8L ] value
                let cell = texts[0L, 2L].view(1L, 1L, 1L, 8L)
                let image = texts[0L, 1L].view(1L, 8L)

                let winner weights =
                    (scoresOf weights texts image cell).argmax(1L).item<int64>()

                winner (weights 1.0 0.0) = 2L && winner (weights 0.0 1.0) = 1L)

            testProperty "each copy of the maps is read with its own image" (fun (value: uint64) ->
                let image = normal [ 2L; 8L ] value
                let texts = normal [ 1L; 3L; 8L ] (value + 1UL)
                let map = torch.zeros ([| 4L; 1L; 1L; 8L |], dtype = torch.float64)
                let found = (scoresOf (weights 1.0 1.0) texts image map).squeeze()

                let expected =
                    (Regions.similarity (image.view (2L, 1L, 1L, 8L)) texts).squeeze().div(scalar 0.07)

                distance found (expected.repeat (2L, 1L)) < 1e-10)

            testProperty
                "texts of each image give it, and every copy of it, what they give it alone"
                (fun (value: uint64) ->
                    let texts, image = normal [ 2L; 3L; 8L ] value, normal [ 2L; 8L ] (value + 1UL)
                    let map = normal [ 4L; 2L; 3L; 8L ] (value + 2UL)
                    let both = scoresOf (weights 0.7 1.3) texts image map

                    Seq.forall
                        (fun copy ->
                            let own = int64 copy % 2L

                            scoresOf
                                (weights 0.7 1.3)
                                (texts.narrow (0L, own, 1L))
                                (image.narrow (0L, own, 1L))
                                (map.narrow (0L, int64 copy, 1L))
                            |> distance (both.narrow (0L, int64 copy, 1L))
                                <
                                1e-10)
                        [ 0..3 ])

            testProperty "without weights the classes are even" (fun (value: uint64) ->
                let lesion = normal [ 4L; 2L; 2L; 3L ] value
                let p = (TextClasses.split lesion (scores (weights 0.0 0.0) value)).softmax 1L
                distance (p.narrow (1L, 1L, 3L)) (p.narrow(1L, 1L, 1L).expand(4L, 3L, 2L, 3L)) < 1e-10)
        ]
