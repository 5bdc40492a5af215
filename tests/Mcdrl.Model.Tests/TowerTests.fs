module Mcdrl.Tests.TowerTests

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl

/// Random weights for a template; variances stay positive.
let private filled (template: 'T) : 'T =
    template
    |> Tree.mapi (fun path leaf ->
        let values = (Drawn.normal leaf.shape).mul((0.2).ToScalar())

        if path.EndsWith "running_var" then
            values.abs().add((0.5).ToScalar())
        else
            values)

let private vit () =
    filled (
        VisionTransformer.template
            {
                Width = 128L
                Layers = 4
                Patch = 8L
                Grid = 3L
                Hidden = 96L
                Embed = 24L
            }
    )

let private resNet () =
    filled (
        ModifiedResNet.template
            {
                Width = 8L
                Blocks = [ 1; 1; 2; 1 ]
                Grid = 2L
                Embed = 24L
            }
    )

let private inScope name work =
    testCase name
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        Drawn.seed 7UL
        work ()

let private gap (a: Tensor) (b: Tensor) =
    Expect.equal a.shape b.shape "shape"
    a.sub(b).abs().max().``to``(torch.float64).item<float>()

let private close what a b = Expect.isLessThan (gap a b) 2e-5 what

let private modes = [ DenseMode.Plain; DenseMode.Maskclip; DenseMode.Sclip ]

/// A block by its definition, with the attention matrix of each image and head given.
let private blockWith (attention: Tensor -> Tensor) (block: Block) (x: Tensor) =
    let heads = Transformer.heads x.shape[2]
    let normed = layerNorm block.ln_1 x
    let values = linear (projection 2L block.attn) normed |> splitHeads heads

    let attended =
        (attention normed).matmul values |> mergeHeads |> linear block.attn.out_proj

    let activation =
        match block.mlp.Activation with
        | Activation.QuickGelu -> quickGelu
        | Activation.Gelu -> gelu

    let x = x.add attended
    x.add (linear block.mlp.c_proj (activation (linear block.mlp.c_fc (layerNorm block.ln_2 x))))

let private blocks =
    testList
        "blocks"
        [
            inScope "MaskCLIP's block is the block with the identity as attention" (fun () ->
                let block = List.head (vit ()).transformer.resblocks
                let x = Drawn.normal [| 2L; 10L; 128L |]
                let identity (_: Tensor) = torch.eye(10L).expand(2L, 2L, 10L, 10L)
                close "same" (Transformer.blockBy Transformer.maskclip block x) (blockWith identity block x))

            inScope "the plain block by its definition" (fun () ->
                let block = List.head (vit ()).transformer.resblocks
                let x = Drawn.normal [| 2L; 10L; 128L |]

                let attention (normed: Tensor) =
                    let q = linear (projection 0L block.attn) normed |> splitHeads 2L
                    let k = linear (projection 1L block.attn) normed |> splitHeads 2L
                    q.matmul(k.transpose (-2L, -1L)).div((8.0).ToScalar()).softmax -1L

                close "same" (Transformer.block None block x) (blockWith attention block x))

            inScope "a GELU tower's blocks compute GELU, and are other blocks" (fun () ->
                let quick = (vit ()).transformer
                let exact = Transformer.activatedBy Activation.Gelu quick
                let x = Drawn.normal [| 2L; 10L; 128L |]
                let block, other = List.head exact.resblocks, List.head quick.resblocks
                let identity (_: Tensor) = torch.eye(10L).expand(2L, 2L, 10L, 10L)
                let answer = Transformer.blockBy Transformer.maskclip block x
                close "by its definition" answer (blockWith identity block x)

                Expect.isGreaterThan
                    (gap answer (Transformer.blockBy Transformer.maskclip other x))
                    1e-3
                    "another"

                Expect.equal (Transformer.activation exact) Activation.Gelu "told")

            inScope "the first token keeps its own attention where the others read otherwise" (fun () ->
                let block = List.head (vit ()).transformer.resblocks
                let x = Drawn.normal [| 2L; 10L; 128L |]

                let mixed =
                    Transformer.blockBy (Transformer.exceptFirst Transformer.maskclip) block x

                let first (x: Tensor) = x.narrow (1L, 0L, 1L)
                let rest (x: Tensor) = x.narrow (1L, 1L, 9L)
                close "first" (first mixed) (first (Transformer.block None block x))
                close "rest" (rest mixed) (rest (Transformer.blockBy Transformer.maskclip block x)))

            inScope "SCLIP's attention: rows sum to 2, and the block uses it" (fun () ->
                let block = List.head (vit ()).transformer.resblocks
                let x = Drawn.normal [| 2L; 10L; 128L |]

                let weights (normed: Tensor) =
                    let struct (q, k, _) = selfProjections 2L block.attn normed
                    Transformer.sclipWeights q k

                let found = weights (layerNorm block.ln_1 x)
                Expect.equal found.shape [| 2L; 2L; 10L; 10L |] "one matrix a head"
                close "rows" (found.sum -1L) (torch.full ([| 2L; 2L; 10L |], (2.0).ToScalar()))
                close "block" (Transformer.blockBy Transformer.sclip block x) (blockWith weights block x))
        ]

let private positions =
    testList
        "positions"
        [
            inScope "the learned grid's are the learned ones, bit for bit" (fun () ->
                let learned = Drawn.normal [| 17L; 5L |]
                Expect.equal (gap (Positions.forGrid 4L 4L learned) learned) 0.0 "identity")

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 40
                }
                "any grid: class row kept, constant positions stay constant"
            <| Prop.forAll (Arb.fromGen (Gen.three (Gen.choose (1, 9)))) (fun (side, height, width) ->
                use _scope = torch.NewDisposeScope()
                let cells = torch.full ([| int64 (side * side); 3L |], (0.7).ToScalar())
                let first = torch.full ([| 1L; 3L |], (-2.0).ToScalar())

                let found =
                    Positions.forGrid (int64 height) (int64 width) (torch.cat ([| first; cells |], 0L))

                let wanted = torch.full ([| int64 (height * width); 3L |], (0.7).ToScalar())
                close "grid" found (torch.cat ([| first; wanted |], 0L)))

            inScope
                "a map that rises to the right still does after interpolation, in row-major order"
                (fun () ->
                    let ramp =
                        torch.arange(4L).to_type(torch.ScalarType.Float32).expand(4L, 4L).reshape(16L, 1L)

                    let found =
                        Positions.forGrid 2L 8L (torch.cat ([| torch.zeros (1L, 1L); ramp |], 0L))

                    let rows = found.narrow(0L, 1L, 16L).view(2L, 8L)
                    close "rows are equal" (rows.select (0L, 0L)) (rows.select (0L, 1L))

                    Expect.isGreaterThan
                        (rows.diff(1L, 1L).min().``to``(torch.float64).item<float>())
                        0.0
                        "rising")
        ]

let private towers () =
    [
        Tower.ViT(vit ()), 24L
        Tower.ClipResNet(resNet ()), 64L
        for depth, parts in [ ResNetDepth.ResNet50, 0; ResNetDepth.ResNet18, 0; ResNetDepth.ResNet18, 2 ] do
            let facts =
                { PlainResNet.torchvision with
                    InstanceNorm = parts
                }

            Tower.PlainResNet(filled (PlainResNet.template depth facts None)), 64L
    ]

let private features =
    testList
        "features"
        [
            inScope "the image feature does not depend on the mode" (fun () ->
                for tower, side in towers () do
                    let images = Drawn.normal [| 2L; 3L; side; side |]
                    let plain = Tower.forward DenseMode.Plain tower images

                    for mode in modes do
                        let other = Tower.forward mode tower images
                        let scale = plain.Image.abs().max().``to``(torch.float64).item<float>()

                        Expect.isLessThan
                            (gap plain.Image other.Image / scale)
                            1e-5
                            $"{Tower.name tower} {mode}")

            inScope "one image of a batch has the features that it has alone" (fun () ->
                for tower, side in towers () do
                    let images = Drawn.normal [| 3L; 3L; side; side |]

                    for mode in modes do
                        let together = Tower.forward mode tower images
                        let alone = Tower.forward mode tower (images.narrow (0L, 1L, 1L))
                        let scale = alone.Dense.abs().max().``to``(torch.float64).item<float>()

                        Expect.isLessThan
                            (gap alone.Dense (together.Dense.narrow (0L, 1L, 1L)) / scale)
                            5e-5
                            "dense")

            inScope "rows of the dense map are rows of the image" (fun () ->
                for tower, side in towers () do
                    let tall = Drawn.normal [| 1L; 3L; 2L * side; side |]
                    let dense = (Tower.forward DenseMode.Maskclip tower tall).Dense
                    Expect.equal dense.shape[1] (2L * dense.shape[2]) "height first")

            inScope "gradients reach every leaf in plain mode, and no weight is written to" (fun () ->
                for tower, side in towers () do
                    let tower =
                        tower
                        |> Tree.mapi (fun path leaf -> leaf.detach().requires_grad_(Tower.isTrainable path))

                    let before = Tree.tensors tower |> List.map (fun leaf -> leaf.detach().clone())

                    let features =
                        Tower.forward DenseMode.Plain tower (Drawn.normal [| 2L; 3L; side; side |])

                    let loss = features.Dense.square().sum().add(features.Image.square().sum())
                    loss.backward ()

                    for (path, leaf), old in List.zip (Tree.leaves tower) before do
                        Expect.equal (gap (leaf.detach ()) old) 0.0 path

                        if Tower.isTrainable path then
                            let hasGradient = leaf.grad |> Option.ofObj |> Option.isSome
                            Expect.isTrue hasGradient $"{Tower.name tower}: {path}")

            inScope "its parts are prefixes of its leaves" (fun () ->
                for tower, _ in towers () do
                    for part in Tower.parts tower do
                        Expect.exists
                            (Tree.leaves tower)
                            (fun (path, _) -> path.StartsWith(part + "."))
                            $"{Tower.name tower}: {part}")

            inScope "leaves and facts give the tower back" (fun () ->
                for tower, side in towers () do
                    let again =
                        Expect.wantOk
                            (Tower.assemble "test" (Tower.facts tower) (Map.ofList (Tree.leaves tower)))
                            "assembled"

                    let images = Drawn.normal [| 1L; 3L; side; side |]
                    let a = Tower.forward DenseMode.Maskclip tower images
                    let b = Tower.forward DenseMode.Maskclip again images
                    Expect.equal (gap a.Dense b.Dense) 0.0 (Tower.name tower))
        ]

/// A ResNet-18 of random weights whose first parts normalise by the frame.
let private styleless parts =
    PlainResNet.template
        ResNetDepth.ResNet18
        { PlainResNet.torchvision with
            InstanceNorm = parts
        }
        None
    |> filled

let private instanceNorm =
    testList
        "instance normalisation"
        [
            inScope "a frame's contrast is gone after the stem, and stays without" (fun () ->
                let images = Drawn.normal [| 2L; 3L; 64L; 64L |]

                let change parts =
                    let stem = List.head (PlainResNet.stages (styleless parts))
                    let map = stem images

                    gap map (stem (images.mul ((3.0).ToScalar())))
                    / map.abs().max().``to``(torch.float64).item<float>()

                Expect.isGreaterThan (change 0) 0.1 "by stored statistics"
                Expect.isLessThan (change 1) 1e-3 "by its own")

            inScope "each channel has the normalisation's β and γ as its mean and deviation" (fun () ->
                let layer = (styleless 1).bn1

                let x =
                    (Drawn.normal [| 2L; 64L; 16L; 16L |]).mul((5.0).ToScalar()).add(scalar 2.0, unity)

                let normed = batchNormByFrame 1e-5 layer x
                let axes = [| 2L; 3L |]
                let wanted (leaf: Tensor) = leaf.expand (2L, 64L)
                close "mean" (normed.mean axes) (wanted layer.bias)
                close "deviation" (normed.std (axes, unbiased = false)) (wanted (layer.weight.abs ())))

            inScope "only the parts that are asked for change" (fun () ->
                let images = Drawn.normal [| 1L; 3L; 64L; 64L |]
                let tower = styleless 0

                let maps parts =
                    let tower =
                        { tower with
                            PlainResNet.Facts =
                                { tower.Facts with
                                    InstanceNorm = parts
                                }
                        }

                    List.zip [ 0..4 ] (PlainResNet.stages tower |> List.map (fun stage -> stage))
                    |> List.map (fun (part, stage) ->
                        let channels = if part = 0 then 3L else [ 64L; 64L; 64L; 128L; 256L ][part]

                        stage (
                            if part = 0 then
                                images
                            else
                                torch.ones [| 1L; channels; 8L; 8L |]
                        ))

                for parts in 0..3 do
                    for part, (found, without) in List.indexed (List.zip (maps parts) (maps 0)) do
                        let differs = gap found without > 1e-3
                        Expect.equal differs (part < parts) $"{parts} parts, part {part}")

            inScope "the setting chooses the parts, and none leaves what the weights say" (fun () ->
                let partsOf given =
                    match Tower.withInstanceNorm given (Tower.PlainResNet(styleless 2)) with
                    | Ok(Tower.PlainResNet tower) -> tower.Facts.InstanceNorm
                    | other -> failtest $"{other}"

                Expect.equal (List.map partsOf [ None; Some 0; Some 3 ]) [ 2; 0; 3 ] "parts")
        ]

let private mixed =
    testList
        "mixed precision"
        [
            inScope
                "a plain ResNet in bf16 sees about what it sees in fp32, and gradients reach the fp32 kernels"
                (fun () ->
                    let tower = Tower.PlainResNet(styleless 0)
                    let images = Drawn.uniform [| 2L; 3L; 64L; 64L |]
                    let plain = (Tower.forward DenseMode.Plain tower images).Dense

                    for path, leaf in Tree.leaves tower do
                        if Tower.isTrainable path then
                            leaf.requires_grad <- true

                    let half = Tower.inPrecision Precision.Bf16 tower
                    let seen = (Tower.forward DenseMode.Plain half images).Dense
                    Expect.equal seen.dtype torch.bfloat16 "computed in bf16"

                    let cosine =
                        torch.nn.functional.cosine_similarity (
                            plain.flatten (),
                            (widened seen).flatten(),
                            0L,
                            1e-8
                        )

                    Expect.isGreaterThan (cosine.``to``(torch.float64).item<float>()) 0.99 "about the same"
                    Expect.isGreaterThan (gap plain (widened seen)) 0.0 "not the very same"
                    (widened seen).sum().backward()

                    for path, leaf in Tree.leaves tower do
                        if Tower.isTrainable path then
                            Expect.equal (nonNull leaf.grad).dtype torch.float32 path)

            inScope "a packed stem below trained stages stays in fp32" (fun () ->
                let tower =
                    FrozenTower.packed 4 (Tower.PlainResNet(styleless 0))
                    |> Tower.inPrecision Precision.Bf16

                let images = Drawn.uniform [| 1L; 3L; 64L; 64L |]
                use _noGrad = torch.no_grad ()

                Expect.equal
                    (Tower.forward DenseMode.Plain tower images).Dense.dtype
                    torch.bfloat16
                    "the rest")

            inScope "fp32, and a CLIP tower, are left as they are" (fun () ->
                for tower, precision in
                    [
                        Tower.PlainResNet(styleless 0), Precision.Fp32
                        Tower.ClipResNet(resNet ()), Precision.Bf16
                    ] do
                    for before, after in
                        List.zip (Tree.tensors tower) (Tree.tensors (Tower.inPrecision precision tower)) do
                        Expect.equal after.dtype before.dtype "the same type")
        ]

let tests =
    testSequenced (testList "Tower" [ blocks; positions; features; instanceNorm; mixed ])
