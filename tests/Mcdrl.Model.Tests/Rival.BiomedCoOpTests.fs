module Mcdrl.Tests.RivalBiomedCoOpTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal
open Mcdrl.Tests.RivalPromptTests

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

let private number (x: Tensor) = float (x.item<float32>())

let private vector (x: Tensor) =
    x.contiguous().data<float32>().ToArray() |> Array.map float

let private norm v =
    v |> Array.sumBy (fun x -> x * x) |> sqrt

let private direction v =
    let length = norm v in v |> Array.map (fun x -> x / length)

let private dot a b =
    Array.fold2 (fun sum a b -> sum + a * b) 0.0 a b

let private mean (vectors: float array list) =
    vectors
    |> List.reduce (Array.map2 (+))
    |> Array.map (fun x -> x / float vectors.Length)

let private softmax (logits: float array) =
    let exps = logits |> Array.map exp
    exps |> Array.map (fun x -> x / Array.sum exps)

/// E of 3 classes and 6 prompts, of unit length; f of 4 images; g.
let private problem seed =
    let ensemble, image, texts =
        normal [ 3L; 6L; 8L ] seed, normal [ 4L; 8L ] (seed + 1UL), normal [ 3L; 8L ] (seed + 2UL)

    ensemble, image, texts

let private directions (x: Tensor) =
    [| for row in 0L .. x.shape[0] - 1L -> direction (vector x[row]) |]

/// The published formulas, by the robust score that is standardised again: how far each prompt lies within the limit of 1.5,
/// and the divergence from the teacher of those that do.
let private naive scale (ensemble: Tensor) (image: Tensor) (texts: Tensor) =
    let e = [| for k in 0L .. ensemble.shape[0] - 1L -> directions ensemble[k] |]
    let f, g = directions image, directions texts
    let prompts = e[0].Length

    let u =
        [|
            for i in 0 .. prompts - 1 ->
                f
                |> Array.averageBy (fun f -> e |> Array.map (fun e -> scale * dot f e[i]) |> Array.max)
        |]

    let median values =
        let sorted = Array.sort values
        (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2.0

    let middle = median u
    let deviation = u |> Array.map (fun u -> abs (u - middle)) |> median
    let z = u |> Array.map (fun u -> (u - middle) / deviation)
    let average = Array.average z

    let std =
        sqrt ((z |> Array.sumBy (fun z -> (z - average) ** 2.0)) / float (prompts - 1))

    let within = z |> Array.map (fun z -> 1.5 - abs ((z - average) / std))

    let teacher =
        e
        |> Array.map (fun prompts ->
            List.ofArray prompts
            |> List.indexed
            |> List.filter (fun (i, _) -> within[i] >= 0.0)
            |> List.map snd
            |> mean
            |> direction)

    let told texts f =
        texts |> Array.map (fun t -> scale * dot f t) |> softmax

    let divergence =
        f
        |> Array.sumBy (fun f ->
            Array.fold2 (fun sum p q -> sum + p * log (p / q)) 0.0 (told teacher f) (told g f))

    within, divergence / float (f.Length * e.Length)

let private consistency =
    testList
        "SCCM"
        [
            testProperty
                "is 0 where g points at the mean of the prompts, whatever its length"
                (fun (seed: uint64) ->
                    use _scope = torch.NewDisposeScope()
                    let ensemble, _, _ = problem seed
                    let target = (unit ensemble).mean [| 1L |]
                    abs (number (BiomedCoOp.consistency ensemble (target.mul (scalar 5.0)))) < 1e-10)

            Property.check "is the mean square of g − ē over all entries" (fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let ensemble, _, texts = problem seed

                let expected =
                    [
                        for k in 0L .. 2L do
                            let target = directions ensemble[k] |> List.ofArray |> mean |> direction

                            yield!
                                Array.map2 (fun a b -> (a - b) ** 2.0) (direction (vector texts[k])) target
                    ]
                    |> List.average

                abs (number (BiomedCoOp.consistency ensemble texts) - expected) < 1e-5)
        ]

let private distillation =
    testList
        "KDSP"
        [
            Property.check "is the published formula" (fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let ensemble, image, texts = problem seed
                let within, expected = naive 3.0 ensemble image texts

                // On which side of the limit a prompt lies that is nearly on it, float32's rounding decides.
                if within |> Array.forall (fun distance -> abs distance > 1e-3) then
                    Expect.equal
                        ((BiomedCoOp.kept 3.0 ensemble image).data<bool>().ToArray())
                        (within |> Array.map (fun distance -> distance >= 0.0))
                        "kept"

                    let found = number (BiomedCoOp.distillation 3.0 ensemble image texts)
                    Expect.floatClose Accuracy.low found expected "divergence")

            inScope "a prompt that the images bear out far less than the others teaches nothing" (fun () ->
                let _, image, texts = problem 3UL
                let shown = image.mean ([| 0L |], keepdim = true)
                let close = shown.add((normal [ 18L; 8L ] 4UL).mul(scalar 0.05)).view(3L, 6L, 8L)

                let with' (outlier: Tensor) =
                    torch.cat ([| close.narrow (1L, 0L, 5L); outlier.expand (3L, 1L, 8L) |], 1L)

                let opposite = shown.neg().view(1L, 1L, 8L)
                let kept = BiomedCoOp.kept 3.0 (with' opposite) image

                Expect.equal
                    (kept.data<bool>().ToArray())
                    [| true; true; true; true; true; false |]
                    "the last"

                let loss outlier =
                    number (BiomedCoOp.distillation 3.0 (with' outlier) image texts)

                let slanted = opposite.add ((normal [ 1L; 1L; 8L ] 5UL).mul(scalar 0.1))
                Expect.floatClose Accuracy.high (loss slanted) (loss opposite) "however it is wrong")

            inScope
                "prompts that are all alike are all kept, and a student of them has nothing to learn"
                (fun () ->
                    let _, image, texts = problem 3UL
                    let alike = texts.unsqueeze(1L).repeat(1L, 4L, 1L)
                    Expect.all ((BiomedCoOp.kept 3.0 alike image).data<bool>().ToArray()) id "kept"

                    Expect.isLessThan
                        (abs (number (BiomedCoOp.distillation 3.0 alike image texts)))
                        1e-6
                        "nothing")

            inScope "the student alone is taught, by its texts and by the image" (fun () ->
                let ensemble, image, texts = problem 3UL
                let scale = 3.0

                let told (image: Tensor) (texts: Tensor) =
                    (unit image).matmul((unit texts).t()).mul(scalar scale).log_softmax 1L

                let teacher =
                    let kept = (BiomedCoOp.kept scale ensemble image).nonzero().flatten()
                    (told image ((unit ensemble).index_select(1L, kept).mean [| 1L |])).exp()

                let gradients (loss: Tensor -> Tensor -> Tensor) =
                    let image, texts =
                        image.clone().requires_grad_ true, texts.clone().requires_grad_ true

                    (loss image texts).backward()
                    nonNull image.grad, nonNull texts.grad

                let image', texts' =
                    gradients (fun image texts -> teacher.mul(told image texts).sum().neg().div(scalar 12.0))

                let ofImage, ofTexts = gradients (BiomedCoOp.distillation scale ensemble)
                Law.close 1e-5 "image" image' ofImage
                Law.close 1e-5 "texts" texts' ofTexts)
        ]

let private prompts =
    testList
        "prompts"
        [
            for lesion in [ "polyp"; "tumor"; "inflammation"; "nodule"; "cyst"; "varix" ] do
                testCase $"20 different ones that name the class: {lesion}"
                <| fun () ->
                    let prompts = BiomedPrompts.ofClass lesion
                    Expect.equal prompts.Length 20 "as many for each class"
                    Expect.equal (List.distinct prompts) prompts "different"

                    for prompt in prompts do
                        Expect.stringContains (prompt.ToLowerInvariant()) lesion "named"

            testCase "known classes are described in their own words"
            <| fun () ->
                let own name =
                    BiomedPrompts.ofClass name |> List.map (fun text -> text.Replace(name, "it"))

                Expect.notEqual (own "polyp") (own "nodule") "own"
                Expect.equal (own "varix") (own "angioma") "templates"
        ]

let tests = testList "Rival.BiomedCoOp" [ consistency; distillation; prompts ]
