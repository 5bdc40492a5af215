module Mcdrl.Tests.MirroredTests

open Expecto
open TorchSharp
open Mcdrl

let private every = [ None; Some Flips.Horizontal; Some Flips.Both ]

let private gap (a: Tensor) (b: Tensor) =
    Expect.equal a.shape b.shape "shape"
    a.sub(b).abs().max().``to``(torch.float64).item<float>()

/// An answer that no mirror leaves alone: what stands to the left and above counts.
let private answer (frames: Tensor) = frames.cumsum(-1L).cumsum(-2L)

let private inScope name work =
    testCase name (fun () ->
        use _scope = torch.NewDisposeScope()
        work ())

let tests =
    testSequenced
    <| testList
        "Mirrored"
        [
            inScope "one image, two or four, all different, each its own inverse, the frame first" (fun () ->
                let frame = SeedTensors.normal [ 1L; 3L; 4L; 6L ] (Seed.create 1UL)

                for flips, count in List.zip every [ 1; 2; 4 ] do
                    let images = Mirrored.images flips
                    Expect.equal images.Length count "images"
                    Expect.equal (gap (images.Head frame) frame) 0.0 "as it is"

                    for index, mirror in List.indexed images do
                        Expect.equal (gap (mirror (mirror frame)) frame) 0.0 "back"

                        for other in List.skip (index + 1) images do
                            Expect.isGreaterThan (gap (mirror frame) (other frame)) 0.1 "another"

                let columns = frame.flip -1L

                Expect.equal
                    (gap ((Mirrored.images (Some Flips.Horizontal))[1] frame) columns)
                    0.0
                    "left to right")

            inScope "without mirror images the answer is the answer, to the bit" (fun () ->
                let frames = SeedTensors.normal [ 2L; 3L; 4L; 6L ] (Seed.create 2UL)
                Expect.equal (gap (Mirrored.average None answer frames) (answer frames)) 0.0 "equal")

            inScope "the average of a mirrored frame is the mirrored average" (fun () ->
                let frames = SeedTensors.normal [ 2L; 3L; 4L; 6L ] (Seed.create 3UL)

                for flips in every do
                    let average = Mirrored.average flips answer

                    for mirror in Mirrored.images flips do
                        Expect.isLessThan
                            (gap (average (mirror frames)) (mirror (average frames)))
                            1e-5
                            $"{flips}"

                let columns (x: Tensor) = x.flip -1L
                let alone = Mirrored.average None answer

                Expect.isGreaterThan
                    (gap (alone (columns frames)) (columns (alone frames)))
                    0.1
                    "not so by itself")

            inScope "it is the mean by hand" (fun () ->
                let frames = SeedTensors.normal [ 1L; 1L; 4L; 6L ] (Seed.create 4UL)
                let columns (x: Tensor) = x.flip -1L

                let byHand =
                    (answer frames).add(columns (answer (columns frames)), unity).div(scalar 2.0)

                Expect.isLessThan
                    (gap (Mirrored.average (Some Flips.Horizontal) answer frames) byHand)
                    1e-6
                    "two")

            inScope "only the result is left" (fun () ->
                let frames = SeedTensors.normal [ 1L; 1L; 4L; 6L ] (Seed.create 4UL)
                let before = LiveTensors.count ()
                Mirrored.average (Some Flips.Both) answer frames |> ignore
                Expect.equal torch.Tensor.TotalCount (before + 1L) "one tensor")
        ]
