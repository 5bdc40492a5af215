module Mcdrl.Tests.GroundingTests

open Expecto
open Mcdrl
open TorchSharp

let private normal (shape: int64 list) seed =
    SeedTensors.normal shape (Seed.create seed)

let private value (x: Tensor) = x.``to``(torch.float64).item<float>()

/// A cosine in float32 is 1 to a few last bits.
let private near expected (actual: Tensor) what =
    Expect.floatClose { absolute = 1e-6; relative = 1e-6 } (value actual) expected what

let private agreementTests =
    testList
        "agreement"
        [
            testCase "1 for the same features of any length, -1 for opposite ones, 0 for nothing"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let f = normal [ 1L; 5L; 8L ] 1UL
                near 1.0 (Grounding.agreement f (f.mul (scalar 3.0))) "the same"
                near -1.0 (Grounding.agreement f (f.neg ())) "opposite"
                near 0.0 (Grounding.agreement f (torch.zeros_like f)) "zero vectors give 0, not NaN"
        ]

let private rowTests =
    testCase "the rows of a frame at another's cells: its own regions there, and what else its head reads"
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        let dense = normal [ 2L; 3L; 4L; 8L ] 11UL
        let cells = torch.tensor (array2D [ [ 0L; 5L ]; [ 2L; 11L ] ])
        let rows = normal [ 2L; 4L; 8L ] 12UL

        let observation: Observation =
            {
                Dense = dense
                Image = rows
                Similarity = rows
                Cells = torch.tensor (array2D [ [ 1L; 2L ]; [ 3L; 4L ] ])
                Regions = rows.narrow (1L, 0L, 2L)
                Rows = rows
                Details = []
                Prompts = rows
            }

        let found = Grounding.rowsAt cells observation
        Expect.equal (List.ofArray found.shape) [ 2L; 4L; 8L ] "as many"

        let same (a: Tensor) (b: Tensor) what =
            Expect.isTrue (a.equal(b).all().item<bool>()) what

        same found[0L, 1L] dense[0L, 1L, 1L] "cell 5"
        same found[1L, 1L] dense[1L, 2L, 3L] "cell 11"
        same (found.narrow (1L, 2L, 2L)) (rows.narrow (1L, 2L, 2L)) "the others"

let private lossTests =
    testList
        "loss"
        [
            testCase "only images whose condition is an operation count"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let seen = normal [ 2L; 5L; 8L ] 2UL

                let predicted =
                    torch.cat ([| seen[0L].unsqueeze 0L; seen[1L].neg().unsqueeze 0L |], 0L)

                let loss (weights: float32 array) =
                    Grounding.loss (torch.tensor weights) seen predicted

                near 0.0 (loss [| 1.0f; 0.0f |]) "the right one"
                near 2.0 (loss [| 0.0f; 1.0f |]) "the opposite one"
                near 1.0 (loss [| 1.0f; 1.0f |]) "both"
                near 0.0 (loss [| 0.0f; 0.0f |]) "none"

            testCase "the transformed frame's features take no gradient"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let seen = (normal [ 1L; 5L; 8L ] 3UL).requires_grad_ true
                let predicted = (normal [ 1L; 5L; 8L ] 4UL).requires_grad_ true
                (Grounding.loss (torch.tensor [| 1.0f |]) seen predicted).backward()
                Expect.isNull seen.grad "seen"
                Expect.isNotNull predicted.grad "predicted"

            testCase "training on it makes A(F, z_m) a condition's own operation"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let conditions = normal [ 2L; 16L ] 5UL

                // Condition 0 leaves features alone, condition 1 reverses their channels.
                let operation (condition: int64) (f: Tensor) =
                    if condition = 0L then f else f.flip [| -1L |]

                let network =
                    NetworkTemplate.intervention 16L 2 (Filling.Drawn(Seed.create 6UL))
                    |> Tree.map (fun leaf -> new Modules.Parameter(leaf.detach ()))

                let error seed (condition: int64) : Tensor =
                    let f = normal [ 8L; 12L; 16L ] seed
                    let z = conditions[condition].view(1L, 1L, 16L)

                    let predicted =
                        Intervention.apply network (torch.zeros 1L) (z.expand (8L, 1L, 16L)) f

                    Grounding.loss (torch.ones 8L) (operation condition f) predicted

                let unseen = 1000UL
                let before = value (error unseen 1L)

                let parameters =
                    Tree.tensors network |> List.map (fun leaf -> leaf :?> Modules.Parameter)

                use optimiser = torch.optim.AdamW((parameters: Modules.Parameter seq), lr = 0.003)

                for step in 1UL .. 150UL do
                    use _step = torch.NewDisposeScope()
                    optimiser.zero_grad ()
                    (error (step + 10UL) (int64 step % 2L)).backward()
                    optimiser.step () |> ignore

                Expect.isGreaterThan before 0.7 "untrained, it knows nothing of the operation"
                Expect.isLessThan (value (error unseen 1L)) 0.4 "reversal, on features not seen in training"
                Expect.isLessThan (value (error unseen 0L)) 0.2 "and the other condition stays itself"
        ]

let tests = testList "Grounding" [ agreementTests; rowTests; lossTests ]
