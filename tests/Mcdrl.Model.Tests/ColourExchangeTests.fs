module Mcdrl.Tests.ColourExchangeTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private inScope name work =
    testCase name (fun () ->
        use _scope = torch.NewDisposeScope()
        work ())

let private colours (rgb: float list list) =
    torch.tensor(rgb |> List.collect (List.map float32) |> List.toArray).view(int64 rgb.Length, 3L).t()

let private gap (a: Tensor) (b: Tensor) =
    Expect.equal a.shape b.shape "shape"
    a.sub(b).abs().max().item<float32>() |> float

/// A lit frame of soft colours around a tint.
let private frame (red: float, green: float, blue: float) contrast seed =
    let noise = SeedTensors.normal [ 3L; 40L; 40L ] (Seed.create seed)

    torch
        .tensor([| float32 red; float32 green; float32 blue |])
        .view(3L, 1L, 1L)
        .add(noise.mul (scalar contrast), unity)
        .clamp(scalar 0.15, scalar 0.9)

/// Mean and deviation of L*, a* and b* over all pixels.
let private moments (frame: Tensor) =
    let lab = CieLab.ofRgb (frame.flatten 1L)
    torch.cat [| lab.mean [| 1L |]; lab.std (1L, unbiased = false) |]

let tests =
    testSequenced
    <| testList
        "ColourExchange"
        [
            inScope
                "CIELAB of white, black, the primaries and a grey, as published for sRGB under D65"
                (fun () ->
                    let rgb =
                        colours
                            [
                                [ 1; 1; 1 ]
                                [ 0; 0; 0 ]
                                [ 1; 0; 0 ]
                                [ 0; 1; 0 ]
                                [ 0; 0; 1 ]
                                [ 0.5; 0.5; 0.5 ]
                            ]

                    let expected =
                        colours
                            [
                                [ 100; 0; 0 ]
                                [ 0; 0; 0 ]
                                [ 53.241; 80.092; 67.203 ]
                                [ 87.735; -86.183; 83.179 ]
                                [ 32.297; 79.188; -107.860 ]
                                [ 53.389; 0; 0 ]
                            ]

                    Expect.isLessThan (gap (CieLab.ofRgb rgb) expected) 0.02 "L*, a*, b*")

            inScope "to CIELAB and back, the darkest colours too" (fun () ->
                let rgb =
                    torch.cat (
                        [|
                            Drawn.uniform [| 3L; 500L |]
                            (Drawn.uniform [| 3L; 500L |]).mul(scalar 0.03)
                        |],
                        1L
                    )

                Expect.isLessThan (gap (CieLab.toRgb (CieLab.ofRgb rgb)) rgb) 1e-4 "the same")

            inScope "the frame gets mean and deviation of its partner in each of L*, a* and b*" (fun () ->
                for seed in 1UL .. 5UL do
                    let own = frame (0.6, 0.35, 0.3) 0.05 seed
                    let partner = frame (0.45, 0.5, 0.4) 0.03 (seed + 50UL)
                    let found = ColourExchange.apply partner own
                    Expect.equal found.shape own.shape "shape"
                    // The partner's moments are those of one pixel in sixteen.
                    let wanted = moments (partner.slice(1L, 0L, 40L, 4L).slice(2L, 0L, 40L, 4L))
                    Expect.isLessThan (gap (moments found) wanted) 0.3 "its moments"
                    Expect.isGreaterThan (gap (moments own) wanted) 5.0 "which it had not before")

            inScope "what is where stays: brightness keeps its order" (fun () ->
                let own = frame (0.6, 0.35, 0.3) 0.05 1UL
                let found = ColourExchange.apply (frame (0.45, 0.5, 0.4) 0.05 2UL) own
                let lightness (x: Tensor) = (CieLab.ofRgb (x.flatten 1L))[0L]
                let before, after = lightness own, lightness found
                let standard (x: Tensor) = x.sub(x.mean ()).div(x.std ())
                Expect.isLessThan (gap (standard before) (standard after)) 0.05 "the same picture")

            inScope "black stays black, and a black partner changes nothing" (fun () ->
                let own = frame (0.6, 0.35, 0.3) 0.05 1UL
                own.narrow(2L, 0L, 12L).zero_() |> ignore
                let found = ColourExchange.apply (frame (0.45, 0.5, 0.7) 0.05 2UL) own
                Expect.equal (found.narrow(2L, 0L, 12L).abs().max().item<float32>()) 0f "black"
                Expect.isGreaterThan (gap found own) 0.05 "the rest is changed"

                Expect.equal
                    (gap (ColourExchange.apply (torch.zeros_like own) own) own)
                    0.0
                    "nothing to give"

                Expect.equal
                    (gap (ColourExchange.apply own (torch.zeros_like own)) (torch.zeros_like own))
                    0.0
                    "nothing to colour")

            inScope "a frame without contrast is not stretched into noise" (fun () ->
                let flat = frame (0.6, 0.35, 0.3) 0.0005 1UL
                let found = ColourExchange.apply (frame (0.45, 0.5, 0.4) 0.1 2UL) flat
                let deviation = (moments found).narrow(0L, 3L, 3L)
                Expect.isLessThan (deviation.max().item<float32>()) 4f "little more than it was")

            inScope "its arguments stay as they are, and only the result is left" (fun () ->
                let own, partner = frame (0.6, 0.35, 0.3) 0.05 1UL, frame (0.45, 0.5, 0.4) 0.05 2UL
                let kept = own.clone (), partner.clone ()
                let before = LiveTensors.count ()
                let found = ColourExchange.apply partner own
                Expect.equal torch.Tensor.TotalCount (before + 1L) "one tensor"
                found.zero_ () |> ignore
                Expect.equal (gap own (fst kept), gap partner (snd kept)) (0.0, 0.0) "untouched")

            Property.check "a partner is of another site, as often as is asked, and each of them sometimes"
            <| fun (NonNegativeInt seed) ->
                let candidates = [| for index in 0..8 -> index, [| "a"; "b"; "c" |][index % 3] |]

                let drawn probability =
                    [
                        for number in 0..299 ->
                            ColourExchange.partner
                                probability
                                (Seed.split number (Seed.create (uint64 seed)))
                                "b"
                                candidates
                    ]

                let always = drawn 1.0 |> List.choose id
                let half = drawn 0.5 |> List.choose id

                Expect.equal (set always) (set [ 0; 2; 3; 5; 6; 8 ]) "all of a and c, none of b"
                Expect.equal always.Length 300 "always"
                Expect.isTrue (half.Length > 110 && half.Length < 190) "half of the time"
                Expect.equal (drawn 0.0 |> List.choose id) [] "never"
                Expect.equal (drawn 0.5 |> List.choose id) half "by the seed alone"

            testCase "frames of one site have no partner"
            <| fun () ->
                for number in 0..19 do
                    let candidates = [| 1, "a"; 2, "a" |]

                    let found =
                        ColourExchange.partner 1.0 (Seed.split number (Seed.create 1UL)) "a" candidates

                    Expect.isNone found "none"
        ]
