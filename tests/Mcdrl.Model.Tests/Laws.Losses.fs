module Mcdrl.Tests.LossLaws

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

let private float64s (values: float list) =
    torch.tensor (List.toArray values, dtype = torch.float64)

/// F_ca, t_{k,m} and one class for each image.
let private causalCase (world: World) =
    let regions = World.normal "regions" [ world.Images; 3; world.Features ] world
    let t = World.normal "t" [ world.Classes; world.Conditions; world.Features ] world

    let shown =
        Array.init world.Images (fun image ->
            int64 (Seed.below world.Classes (Seed.split image (World.seed "shown" world))))

    regions, t, shown

/// The pooled direction p of one image and the unit texts of its class, [d] and [M, d].
let private direction (regions: Tensor) (t: Tensor) (shown: int64 array) (image: int) =
    unit (regions[int64 image].mean [| 0L |]), unit t[shown[image]]

let private squared (x: Tensor) = x.square().sum -1L

let private causal =
    testList
        "L_causal"
        [
            Law.forAll
                100
                "I-31 L_causal is the mean squared distance to the prompts less their spread, mean over the images"
                (fun world ->
                    let regions, t, shown = causalCase world

                    let expected =
                        [
                            for image in 0 .. world.Images - 1 ->
                                let p, prompts = direction regions t shown image
                                let mean = prompts.mean [| 0L |]
                                (squared (prompts.sub p)).mean().sub((squared (prompts.sub mean)).mean())
                        ]
                        |> List.toArray
                        |> torch.stack

                    Law.close
                        1e-10
                        "L_causal"
                        (expected.mean ())
                        (Loss.causal t (torch.tensor shown) regions))

            Law.forAll 100 "I-31 L = 1 + ‖t̄‖² − 2p·t̄ ≥ (1 − ‖t̄‖)², reached at t̄/‖t̄‖" (fun world ->
                let regions, t, shown = causalCase { world with Images = 1 }
                let p, prompts = direction regions t shown 0
                let mean = prompts.mean [| 0L |]
                let found = Loss.causal t (torch.tensor shown) regions
                let length = mean.norm ()

                Law.close
                    1e-10
                    "expanded"
                    ((squared mean).sub((p.mul mean).sum().mul(scalar 2.0)).add(scalar 1.0, unity))
                    found

                let least = (length.sub (scalar 1.0)).square()
                Law.nonNegative 1e-12 "least" (found.sub least)
                let towards = mean.expand_as regions
                Law.close 1e-10 "reached" least (Loss.causal t (torch.tensor shown) towards)
                Expect.isGreaterThan (least.item<float>()) 0.0 "prompts that differ leave a rest")

            Law.forAll 100 "I-31 L_causal is 0 where all prompts of the class coincide with p" (fun world ->
                let regions, t, shown = causalCase { world with Images = 1 }
                let one = regions[0L].mean [| 0L |]
                let t = one.mul(scalar 2.0).expand_as t
                let found = Loss.causal t (torch.tensor shown) regions
                Law.close 1e-12 "0" (torch.zeros_like found) found)

            Law.forAll 100 "I-31 the order of the prompts does not matter" (fun world ->
                let regions, t, shown = causalCase world

                let order =
                    Seed.permutation world.Conditions (World.seed "order" world) |> Array.map int64

                let turned = t.index_select (1L, torch.tensor order)

                let loss t =
                    Loss.causal t (torch.tensor shown) regions

                Law.close 1e-12 "order" (loss t) (loss turned))

            Law.forAll 100 "I-31 ∇_p = 2(p − t̄), through the pooling and the unit length" (fun world ->
                let regions, t, shown = causalCase { world with Images = 1 }
                let regions = regions.requires_grad_ true

                let found = World.gradient regions (Loss.causal t (torch.tensor shown) regions)

                let pooled = regions.detach().mean [| 0L; 1L |]
                let p, prompts = unit pooled, unit t[shown[0]]
                let towards = (p.sub (prompts.mean [| 0L |])).mul(scalar 2.0)
                let across = (towards.sub (p.mul ((p.mul towards).sum()))).div(pooled.norm ())
                Law.close 1e-10 "gradient" ((across.div (scalar 3.0)).expand_as found) found)
        ]

/// Texts e_k that are orthonormal, and an image of length one whose cosines to them are given.
let private contrastOf (tau: float) (cosines: float list) (shown: int) =
    let rest = sqrt (max 0.0 (1.0 - List.sumBy (fun c -> c * c) cosines))
    let texts = torch.eye (int64 cosines.Length + 1L, dtype = torch.float64)

    Loss.contrast
        tau
        ((texts.narrow (0L, 0L, int64 cosines.Length)).unsqueeze 0L)
        (torch.tensor [| int64 shown |])
        ((float64s (cosines @ [ rest ])).unsqueeze 0L)

let private figure (expected: float) (found: Tensor) =
    Expect.floatClose { absolute = 5e-7; relative = 0.0 } (found.item<float>()) expected "figure"

let private contrast =
    testList
        "L_contrast"
        [
            Law.forAll 100 "I-32 a constant added to all cosines is a no-op" (fun world ->
                let classes = world.Classes + 1
                let reach = 0.5 / sqrt (float classes)

                let cosines =
                    List.init classes (fun k ->
                        reach * (2.0 * Seed.uniform (Seed.split k (World.seed "cos" world)) - 1.0))

                let shift = reach * (2.0 * World.uniform "shift" world - 1.0)
                let tau = 0.05 + World.uniform "tau" world
                let moved = cosines |> List.map ((+) shift)
                Law.close 1e-10 "shift" (contrastOf tau cosines 0) (contrastOf tau moved 0))

            Law.forAll 100 "I-32 one class gives 0 and equal cosines give log K" (fun world ->
                let tau = 0.05 + World.uniform "tau" world
                let image = World.normal "image" [ world.Images; world.Features ] world
                let text = World.normal "text" [ 1; 1; world.Features ] world
                let first = torch.zeros (int64 world.Images, dtype = torch.int64)
                let one = Loss.contrast tau text first image
                Law.same "0" (torch.zeros_like one) one

                let equal =
                    Loss.contrast tau (text.expand (1L, int64 world.Classes, -1L)) first image

                Law.close 1e-10 "log K" (scalar (log (float world.Classes))) equal)

            Law.forAll 100 "I-32 at τ = .5 and K = 5 it lies in [.070703, 5.390863]" (fun world ->
                let texts = World.normal "texts" [ 1; 5; world.Features ] world
                let image = World.normal "image" [ 1; world.Features ] world
                let found = (Loss.contrast 0.5 texts (torch.tensor [| 2L |]) image).item<float>()
                Expect.isTrue (found >= 0.0707025 && found <= 5.3908635) $"range: {found}")

            Law.example "I-32 the range is reached, and the tabulated cosines give their figures" (fun () ->
                let along (signs: float list) =
                    Loss.contrast
                        0.5
                        ((float64s signs).view(1L, -1L, 1L))
                        (torch.tensor [| 0L |])
                        (torch.ones (1L, 1L, dtype = torch.float64))

                figure 0.070703 (along [ 1.0; -1.0; -1.0; -1.0; -1.0 ])
                figure 5.390863 (along [ -1.0; 1.0; 1.0; 1.0; 1.0 ])
                figure 0.432653 (contrastOf 0.5 [ 1.0; 0.0; 0.0; 0.0; 0.0 ] 0)
                figure 1.472708 (contrastOf 0.5 [ 0.3; 0.25; 0.2; 0.2; 0.2 ] 0)
                figure 0.792311 (contrastOf 0.07 [ 0.3; 0.25; 0.2; 0.2; 0.2 ] 0))
        ]

let private labels (world: World) =
    let side = [| int64 world.Images; int64 world.Height; int64 world.Width |]
    let random = World.normal "labels" (side |> Array.map int) world
    random.abs().mul(scalar 1.5).floor().minimum(scalar (float world.Classes)).``to`` torch.int64

let private segmentation =
    testList
        "L_seg"
        [
            Law.forAll 100 "I-33 uniform P gives log of the number of classes" (fun world ->
                let one = (World.logits world).select(0L, 0L).narrow(1L, 0L, 1L)
                let logits = one.expand (-1L, int64 world.Classes + 1L, -1L, -1L)

                Law.close
                    1e-10
                    "log"
                    (scalar (log (float world.Classes + 1.0)))
                    (Loss.segmentation logits (labels world)))

            Law.forAll 100 "I-33 a constant added to a pixel's logits is a no-op" (fun world ->
                let logits = (World.logits world)[0L]

                let shift =
                    World.normal "shift" [ world.Images; 1; world.Height; world.Width ] world

                let moved = logits.add (shift.mul (scalar 5.0), unity)

                Law.close
                    1e-10
                    "shift"
                    (Loss.segmentation logits (labels world))
                    (Loss.segmentation moved (labels world)))

            Law.forAll 100 "I-33 one-hot correct P gives 0" (fun world ->
                let truth = torch.nn.functional.one_hot (labels world, int64 world.Classes + 1L)
                let logits = truth.permute(0L, 3L, 1L, 2L).``to``(torch.float64).mul(scalar 1000.0)
                let found = Loss.segmentation logits (labels world)
                Law.same "0" (torch.zeros_like found) found)
        ]

let tests = testList "losses" [ causal; contrast; segmentation ]
