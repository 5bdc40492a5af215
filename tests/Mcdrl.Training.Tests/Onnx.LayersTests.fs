/// Every layer in ONNX Runtime computes what our own computes, whatever the sizes and weights.
module Mcdrl.Tests.OnnxLayersTests

open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open Microsoft.ML.OnnxRuntime
open TorchSharp
open Mcdrl
open type TorchSharp.torch.nn

/// The value of a graph of one input and one output, both float32; the first axis of the input is the batch.
let private run (x: Tensor) (build: OnnxGraph -> OnnxValue -> OnnxValue) : Tensor =
    Folder.temporary (fun folder ->
        let graph = OnnxGraph.create []

        let input: OnnxValue =
            {
                Name = "x"
                Shape = -1L :: List.tail (List.ofArray x.shape)
            }

        let output = OnnxGraph.named graph "y" (build graph input)
        let nodes, initialisers = OnnxGraph.finish graph [ output ]

        let port (value: OnnxValue) : OnnxPort =
            {
                Name = value.Name
                Axes = value.Shape |> List.map (fun size -> if size < 0L then "batch" else string size)
                Description = ""
            }

        let file = Path.Combine(folder, "graph.onnx")

        Outcome.ok (
            OnnxModel.write
                file
                {
                    Name = "test"
                    Description = ""
                    ProducerVersion = "0"
                    Opset = OnnxOp.opset
                    Inputs = [ port input ]
                    Outputs = [ port output ]
                    Nodes = nodes
                    Initialisers = initialisers
                    Metadata = []
                }
        )
        |> ignore

        use session = Outcome.ok (OnnxRuntime.session (File.ReadAllBytes file) ignore)
        let values = x.contiguous().data<float32>().ToArray()
        use input = OrtValue.CreateTensorValueFromMemory(values, x.shape)
        use options = new RunOptions()
        use outputs = session.Run(options, [| "x" |], [| input |], [| "y" |])
        let shape = outputs[0].GetTensorTypeAndShape().Shape

        for stated, found in Seq.zip output.Shape shape do
            Expect.isTrue (stated < 0L || stated = found) $"shape {shapeText output.Shape} is stated"

        torch.tensor(outputs[0].GetTensorDataAsSpan<float32>().ToArray()).view shape)

/// Sizes and a seed: B, n, a width that is a multiple of 8, h, w.
type private Case =
    {
        Batch: int64
        Count: int64
        Width: int64
        Height: int64
        Columns: int64
        Seed: uint64
    }

let private cases =
    gen {
        let! batch = Gen.choose (1, 3)
        let! count = Gen.choose (1, 6)
        let! width = Gen.elements [ 8; 16; 24 ]
        let! height = Gen.choose (3, 9)
        let! columns = Gen.choose (3, 9)
        let! seed = Gen.choose (0, 1_000_000)

        return
            {
                Batch = int64 batch
                Count = int64 count
                Width = int64 width
                Height = int64 height
                Columns = int64 columns
                Seed = uint64 seed
            }
    }

let private drawn case name shape =
    SeedTensors.normal shape (Seed.named name (Seed.create case.Seed))

let private tokens case =
    drawn case "tokens" [ case.Batch; case.Count; case.Width ]

let private map case =
    drawn case "map" [ case.Batch; case.Width; case.Height; case.Columns ]

/// The network with a bias for queries, keys and values, which at first have none.
let private told case (network: Intervention) : Intervention =
    network
    |> Tree.mapi (fun path leaf ->
        if path.EndsWith "in_proj_bias" then
            drawn case path (List.ofArray leaf.shape)
        else
            leaf)

let private near (expected: Tensor) (found: Tensor) =
    Expect.equal (List.ofArray found.shape) (List.ofArray expected.shape) "shape"

    Expect.isLessThan
        (expected.sub(found).abs().max().item<float32>())
        (2e-5f * (1.0f + expected.abs().max().item<float32>()))
        "values"

/// `own` and `exported` of the input that a case gives.
let private same name input (prepare: Case -> (Tensor -> Tensor) * (OnnxGraph -> OnnxValue -> OnnxValue)) =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = 15
        }
        name
        (Prop.forAll (Arb.fromGen cases) (fun case ->
            use _scope = torch.NewDisposeScope()
            use _noGrad = torch.no_grad ()
            let own, exported = prepare case
            let x: Tensor = input case
            near (own x) (run x exported)))

let private layerNorm' case : LayerNorm =
    {
        weight = drawn case "scale" [ case.Width ]
        bias = drawn case "shift" [ case.Width ]
    }

let private seed case = Seed.create case.Seed

let private filling case = Filling.Drawn(seed case)

let tests =
    testList
        "OnnxLayers"
        [
            same "linear" tokens (fun case ->
                let layer = Init.linear case.Width 5L (filling case)

                let layer =
                    if case.Seed % 2UL = 0UL then
                        layer
                    else
                        { layer with bias = None }

                linear layer, (fun graph -> OnnxLayers.linear graph layer))

            same "layerNorm" tokens (fun case ->
                let layer = layerNorm' case
                layerNorm layer, (fun graph -> OnnxLayers.layerNorm graph layer))

            same "gelu" tokens (fun _ -> gelu, OnnxLayers.gelu)
            same "quickGelu" tokens (fun _ -> quickGelu, OnnxLayers.quickGelu)

            same
                "unit, of a zero vector too"
                (fun case ->
                    let x = tokens case
                    torch.cat ([| x; torch.zeros_like x |], 0L))
                (fun _ -> unit, OnnxLayers.unit)

            same "attention" tokens (fun case ->
                let layer =
                    { Init.attention case.Width (filling case) with
                        in_proj_bias = drawn case "bias" [ 3L * case.Width ]
                    }

                (fun x ->
                    let struct (q, k, v) = selfProjections 2L layer x

                    functional.scaled_dot_product_attention (q, k, v)
                    |> mergeHeads
                    |> linear layer.out_proj),
                (fun graph x -> OnnxLayers.attend graph 2L layer x x))

            same "A(F, Z) with a condition of no weight" tokens (fun case ->
                let network = NetworkTemplate.intervention case.Width 2 (filling case) |> told case
                let conditions = drawn case "conditions" [ 3L; case.Width ]
                let prior = Backdoor.logPrior [ 1.0; 0.0; 2.0 ]

                Intervention.apply network prior (conditions.unsqueeze 0L),
                (fun graph -> OnnxIntervention.byAttention graph network prior conditions))

            same "A(F, z) for every z, their expectation" tokens (fun case ->
                let network = NetworkTemplate.intervention case.Width 2 (filling case) |> told case
                let conditions = drawn case "conditions" [ 3L; case.Width ]
                let prior = Backdoor.logPrior [ 1.0; 0.0; 2.0 ]

                (Backdoor.underEach (Intervention.apply network) conditions
                 >> Backdoor.expectation prior),
                (fun graph ->
                    OnnxIntervention.underEach graph network conditions
                    >> OnnxBackdoor.expectation graph prior))

            same "a skip map taken apart, its pattern and its style" map (fun case ->
                let refinement = Refinement.create case.Width 5L 6L (filling case)

                let detail x =
                    List.exactlyOne (Refinement.details [ refinement ] [ x ])

                (fun x ->
                    let detail = detail x
                    torch.cat ([| detail.Pattern.flatten 1L; detail.Style |], 1L)),
                (fun graph x ->
                    let pattern, style = OnnxHead.detail graph (refinement, x)
                    let flat = OnnxOp.reshape graph [ -1L; 5L * case.Height * case.Columns ] pattern
                    OnnxOp.concat graph 1 [ flat; style ]))

            same "what the texts say, and what becomes of P(lesion)" map (fun case ->
                let weights: TextClasses =
                    {
                        lesion = drawn case "lesion" [ 1L ]
                        cells = drawn case "cells" [ 1L ]
                        image = drawn case "image" [ 1L ]
                    }

                let prompts = drawn case "prompts" [ 1L; 4L; case.Width ]

                (fun x ->
                    let map, image = x.permute (0L, 2L, 3L, 1L), x.mean [| 2L; 3L |]
                    let told x = Regions.similarity x prompts

                    TextClasses.evidence weights (told map) (told (image.unsqueeze(1L).unsqueeze 1L))
                    |> TextClasses.split (x.narrow (1L, 0L, 2L))),
                (fun graph x ->
                    let map = OnnxOp.permute graph [ 0; 2; 3; 1 ] x
                    let image = OnnxOp.mean graph [ 2; 3 ] x

                    OnnxHead.evidence graph weights prompts image map
                    |> OnnxHead.split graph (OnnxOp.narrow graph 1 0L 2L x)))

            same "conv2d" map (fun case ->
                let stride, padding = 1L + int64 (case.Seed % 2UL), int64 (case.Seed % 3UL % 2UL)
                let layer = Init.conv2d case.Width 5L 3L (filling case)
                conv2d stride padding layer, (fun graph -> OnnxLayers.conv2d graph stride padding layer))

            same "batchNorm" map (fun case ->
                let layer: BatchNorm =
                    {
                        weight = drawn case "scale" [ case.Width ]
                        bias = drawn case "shift" [ case.Width ]
                        running_mean = drawn case "mean" [ case.Width ]
                        running_var = (drawn case "variance" [ case.Width ]).square().add(unity, unity)
                    }

                batchNorm 1e-3 layer, (fun graph -> OnnxLayers.batchNorm graph 1e-3 layer))

            same "groupNorm" map (fun case ->
                let layer: GroupNorm =
                    {
                        weight = drawn case "scale" [ case.Width ]
                        bias = drawn case "shift" [ case.Width ]
                    }

                groupNorm 4L layer, (fun graph -> OnnxLayers.groupNorm graph 4L layer))

            same "resized, larger and smaller" map (fun case ->
                let height, width = case.Height * 3L - 2L, max 2L (case.Columns - 2L)
                resized [ height; width ], (fun graph -> OnnxOp.resized graph height width))

            same
                "selection among ties, gathered and put back"
                (fun case -> (drawn case "cells" [ case.Batch; case.Height; case.Columns; 2L ]).round())
                (fun case ->
                    let alpha = 0.1 + 0.9 * Seed.uniform (seed case)
                    let marked = 10.0

                    (fun x ->
                        let cells = Regions.select alpha x
                        let regions = (Regions.gather cells x).add(scalar marked, unity)
                        Regions.scatter cells x regions),
                    (fun graph x ->
                        let cells = OnnxRegions.select graph alpha x

                        let observation: OnnxObservation =
                            {
                                Dense = x
                                Cells = cells
                                Rows = OnnxRegions.gather graph cells x
                                Patterns = []
                            }

                        OnnxOp.add graph observation.Rows (OnnxGraph.number graph marked)
                        |> OnnxRegions.scatter graph 1L None observation))

            same
                "disagreement: I(Y; Z | F) of logits under each of two conditions"
                (fun case -> drawn case "logits" [ 2L * case.Batch; 3L; case.Height; case.Columns ])
                (fun case ->
                    let prior = Backdoor.logPrior [ 1.0; 3.0 ]
                    let apart (x: Tensor) = x.unflatten (0L, [| 2L; -1L |])

                    (fun x -> Disagreement.mutualInformation prior (apart x)),
                    (fun graph x ->
                        let logits = OnnxOp.reshape graph [ 2L; -1L; 3L; case.Height; case.Columns ] x

                        let _, information, _ = OnnxBackdoor.compare graph prior logits
                        information))
        ]
