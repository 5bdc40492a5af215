module Mcdrl.Tests.TextClassesTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private normal shape seed =
    (SeedTensors.normal shape (Seed.create seed)).``to`` torch.float64

let private distance (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float>()

let private weights lesion cells image : TextClasses =
    {
        lesion = (scalar lesion).view 1L
        cells = (scalar cells).view 1L
        image = (scalar image).view 1L
    }

/// Texts of normal mucosa and of three classes [1 or B, 4, 8], images [B', 8], map [B', H, W, 8] → [B', 4, H, W], as
/// `Network.logits` does it.
let private evidenceOf weights texts (image: Tensor) map =
    TextClasses.evidence
        weights
        (Regions.similarity map texts)
        (Regions.similarity (image.unsqueeze(1L).unsqueeze 1L) texts)

let private evidence weights value =
    evidenceOf
        weights
        (normal [ 1L; 4L; 8L ] value)
        (normal [ 4L; 8L ] (value + 1UL))
        (normal [ 4L; 2L; 3L; 8L ] (value + 2UL))

let private classesIn (evidence: Tensor) = evidence.narrow (1L, 1L, 3L)

let tests =
    testSequenced
    <| testList
        "TextClasses"
        [
            testProperty
                "the texts of the classes split P(lesion) and leave it as it is"
                (fun (value: uint64) ->
                    let read = normal [ 4L; 2L; 2L; 3L ] value
                    let p = (TextClasses.split read (evidence (weights 0.0 1.0 1.0) value)).softmax 1L
                    distance (p.narrow(1L, 1L, 3L).sum 1L) ((read.softmax 1L).select(1L, 1L)) < 1e-10)

            testProperty
                "what texts say about a lesion adds to its log odds, a ratio of Σ_k exp(cos / 0.07) to that of normal mucosa"
                (fun (value: uint64) ->
                    let texts, map =
                        normal [ 1L; 4L; 8L ] value, normal [ 4L; 2L; 3L; 8L ] (value + 2UL)

                    let read, weight = normal [ 4L; 2L; 2L; 3L ] value, 0.6
                    let image = normal [ 4L; 8L ] (value + 1UL)

                    let p =
                        (TextClasses.split read (evidenceOf (weights weight 1.0 1.0) texts image map))
                            .softmax
                            1L

                    let found = p.narrow(1L, 1L, 3L).sum(1L).logit()
                    let mass = (Regions.similarity map texts).div(scalar 0.07).exp()
                    let ratio = mass.narrow(-1L, 1L, 3L).sum(-1L).div(mass.select (-1L, 0L)).log()
                    let own = read.select(1L, 1L).sub(read.select (1L, 0L))
                    distance found (own.add (ratio.mul (scalar weight), unity)) < 1e-8)

            testProperty
                "a cell like a class is a lesion, one like normal mucosa is not"
                (fun (value: uint64) ->
                    let texts = normal [ 1L; 4L; 8L ] value
                    let image = normal [ 1L; 8L ] (value + 1UL)

                    let said (row: int64) =
                        let cell = texts[0L, row].view(1L, 1L, 1L, 8L)
                        let evidence = evidenceOf (weights 1.0 1.0 1.0) texts image cell
                        evidence[0L, 0L].item<float>()

                    said 0L < 0.0 && said 2L > 0.0)

            Property.check "a cell's own text gains most, and so does the image's" (fun (value: uint64) ->
                let texts = normal [ 1L; 4L; 8L ] value
                let cell = texts[0L, 3L].view(1L, 1L, 1L, 8L)
                let image = texts[0L, 2L].view(1L, 8L)

                let winner weights =
                    (classesIn (evidenceOf weights texts image cell)).argmax(1L).item<int64>()

                winner (weights 1.0 1.0 0.0) = 2L && winner (weights 1.0 0.0 1.0) = 1L)

            testProperty
                "texts of each image give it, and every copy of it, what they give it alone"
                (fun (value: uint64) ->
                    let texts, image = normal [ 2L; 4L; 8L ] value, normal [ 4L; 8L ] (value + 1UL)
                    let map = normal [ 4L; 2L; 3L; 8L ] (value + 2UL)
                    let weights = weights 0.4 0.7 1.3
                    let both = evidenceOf weights texts image map

                    Seq.forall
                        (fun copy ->
                            let own = int64 copy % 2L

                            evidenceOf
                                weights
                                (texts.narrow (0L, own, 1L))
                                (image.narrow (0L, int64 copy, 1L))
                                (map.narrow (0L, int64 copy, 1L))
                            |> distance (both.narrow (0L, int64 copy, 1L))
                                <
                                1e-10)
                        [ 0..3 ])

            testProperty
                "without weights the classes are even, and the head alone finds lesions"
                (fun (value: uint64) ->
                    let read = normal [ 4L; 2L; 2L; 3L ] value
                    let p = (TextClasses.split read (evidence (weights 0.0 0.0 0.0) value)).softmax 1L
                    let third = (read.softmax 1L).narrow(1L, 1L, 1L).div(scalar 3.0)
                    distance (p.narrow (1L, 1L, 3L)) (third.expand (4L, 3L, 2L, 3L)) < 1e-10)
        ]
