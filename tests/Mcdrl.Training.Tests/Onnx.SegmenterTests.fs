/// Exported segmenters answer as our own do: small random towers of every kind, and the embedded model.
module Mcdrl.Tests.OnnxSegmenterTests

open System
open System.IO
open Expecto
open Microsoft.ML.OnnxRuntime
open TorchSharp
open Mcdrl

let private modes =
    [
        Marginalisation.Exact
        Marginalisation.FeatureMean
        Marginalisation.Nwgm
        Marginalisation.Attention
    ]

let private embedded () =
    Outcome.ok (EmbeddedModel.folder () |> Result.bind Bundle.load)

/// Random weights: norms and variances near 1, the rest near 0, kernels and matrices by their number of inputs.
let private random (template: 'T) : 'T =
    template
    |> FirstWeights.ofTemplate (Seed.create 5UL)
    |> Tree.mapi (fun path leaf ->
        let noise =
            SeedTensors.normal (List.ofArray leaf.shape) (Seed.named path (Seed.create 9UL))

        match leaf.dim (), path.EndsWith("running_var", StringComparison.Ordinal) with
        | 1L, true -> leaf.add(noise.abs().mul(scalar 0.2), unity).``to`` torch.float32
        | 1L, false -> leaf.add(noise.mul (scalar 0.1), unity).``to`` torch.float32
        | _ -> leaf)

let private method =
    { World.settings.Method with
        InputSize = 64
        Conditions = World.conditions
        Prior = [ 1.0; 0.0; 3.0 ]
        Layers = 2
        HeadWidth = 32
        Refinements = 0
    }

/// Louder logits, so that masks show several classes.
let private decided path (leaf: Tensor) =
    if path = "head.conv_2.weight" then
        leaf.mul(scalar 10.0).``to`` torch.float32
    else
        leaf

/// A model of three classes with random weights everywhere.
let private model (width: int64) (method: MethodSettings) (tower: Tower) : Model =
    let settings = { World.settings with Method = method }
    let seed = Seed.create 3UL

    let text name shape =
        SeedTensors.normal shape (Seed.named name seed)

    let conditions = int64 method.Conditions.Length

    let texts =
        {
            classes = text "classes" [ 1L; 3L; width ]
            conditions = text "conditions" [ conditions; width ]
            class_conditions = text "both" [ 3L; conditions; width ]
            normal = text "normal" [ width ]
            log_prior = Backdoor.logPrior method.Prior
        }

    let mean, std = Tower.normalisation tower

    {
        Manifest =
            { (embedded ()).Manifest with
                Classes = [ "polyp"; "tumor"; "cyst" ]
                Tower = Tower.name tower
                TowerFacts = Tower.facts tower
                Active = true
                Settings = settings
                Preprocessing =
                    {
                        Resize = ResizeMethod.SquashBicubic
                        InputSize = method.InputSize
                        Mean = mean
                        Std = std
                    }
            }
        Tower = tower
        Network =
            NetworkTemplate.create method (Tower.sizes tower) texts (Filling.Drawn seed)
            |> Tree.mapi decided
        Texts = texts
        Rival = None
    }

let private vitWith activation () =
    let tower =
        VisionTransformer.template
            {
                Width = 128L
                Layers = 4
                Patch = 8L
                Grid = 4L
                Hidden = 256L
                Embed = 48L
            }
        |> random

    Tower.ViT
        { tower with
            transformer = Transformer.activatedBy activation tower.transformer
        }

let private vit = vitWith Activation.QuickGelu

let private resnet blocks () =
    ModifiedResNet.template
        {
            Width = 16L
            Blocks = blocks
            Grid = 2L
            Embed = 48L
        }
    |> random
    |> Tower.ClipResNet

let private shallow, deep = resnet [ 1; 2 ], resnet [ 1; 2; 1; 1 ]

let private resnet50 facts () =
    PlainResNet.template ResNetDepth.ResNet50 facts None
    |> random
    |> Tower.PlainResNet

let private resnet18 parts () =
    PlainResNet.template
        ResNetDepth.ResNet18
        { PlainResNet.torchvision with
            InstanceNorm = parts
        }
        None
    |> random
    |> Tower.PlainResNet

let private pictures =
    lazy
        [
            for number in 0..2 ->
                let seed = Seed.split number (Seed.create 21UL)

                Phantom.render 80 (Phantom.scene Phantom.sites[number] (Some number) seed) None seed
                |> fst
                |> fun picture ->
                    { picture with
                        Orientation = Orientation.all[2 * number]
                    }
        ]

/// The network's input of some pictures as ONNX Runtime takes it.
let private frames side (pictures: Picture list) =
    use _scope = torch.NewDisposeScope()

    [|
        for picture in pictures do
            yield! (Preprocessing.frame side picture).data<float32>().ToArray()
    |]

let private largestDifference (a: float32 seq) (b: float32 seq) =
    Seq.map2 (fun (x: float32) (y: float32) -> abs (float x - float y)) a b
    |> Seq.max

let private within (model: Model) mode (work: OnnxEngine -> 'a) : 'a =
    Folder.temporary (fun folder ->
        let file = Path.Combine(folder, "model.onnx")
        Outcome.ok (OnnxExport.write file model mode) |> ignore
        use engine = Outcome.ok (OnnxEngine.load file 1)
        work engine)

/// Probabilities to 1e-4, masks pixel by pixel but for ties, disagreement and influence; three images at once and one alone.
let private agreesOn (pictures: Picture list) (model: Model) mode =
    use _scope = torch.NewDisposeScope()
    use segmenter = Segmenter.ofModel torch.CPU Precision.Fp32 model
    let side = model.Manifest.Preprocessing.InputSize
    let classes = model.Manifest.Classes.Length + 1

    within model mode (fun engine ->
        let found = Outcome.ok (OnnxEngine.run engine (frames side pictures))
        let perImage = classes * side * side
        Expect.equal found.Probabilities.Length (pictures.Length * perImage) "three answers"

        pictures
        |> List.iteri (fun index picture ->
            let part size (values: float32 array) = Array.sub values (index * size) size
            let answer = part perImage found.Probabilities
            let own = Segmenter.probabilities segmenter (Some mode) picture
            let difference = largestDifference answer (own.data<float32>())

            Expect.isLessThan difference 1e-4 $"probabilities, {mode}, image {index}"

            let tensor = torch.tensor(answer).view(int64 classes, int64 side, int64 side)
            let told = Segmenter.segment segmenter (Some mode) picture

            let marking =
                Marking.inPicture
                    model.Manifest.Settings.Method.MinArea
                    picture.Height
                    picture.Width
                    Marking.standard

            let mask = Upsampling.marked marking picture.Height picture.Width tensor
            World.sameButForTies mask told.Upright $"mask, {mode}, image {index}"
            Expect.isGreaterThan (Array.distinct mask.Labels).Length 1 "something is marked"

            let bySelf = Outcome.ok (OnnxEngine.segment engine Marking.standard picture)

            World.sameButForTies
                bySelf.Mask
                told.Mask
                $"the file's mask without libtorch, {mode}, image {index}"

            Expect.equal (bySelf.Classes, bySelf.Mode) (told.Classes, told.Mode) "classes and mode"

            Expect.isLessThan
                (largestDifference bySelf.Probabilities told.Probabilities)
                1e-4
                $"probabilities of the result, {mode}, image {index}"

            let marking = Outcome.ok (Marking.create (Some 0.4) 3L)

            World.sameButForTies
                (Outcome.ok (OnnxEngine.segment engine marking picture)).Mask
                (Segmenter.segmentWith marking segmenter (Some mode) picture).Mask
                $"marked by a threshold, {mode}, image {index}"

            let alone = Outcome.ok (OnnxEngine.run engine (frames side [ picture ]))
            Expect.isLessThan (largestDifference answer alone.Probabilities) 1e-5 "alone as among others"

            Expect.equal (List.map fst told.Influence) engine.Facts.Conditions "conditions"

            match found.Disagreement, found.Influence, told.Disagreement with
            | Some maps, Some influence, Some mean ->
                let map = part (side * side) maps
                Expect.isLessThan (abs (float (Array.average map) - mean)) 1e-4 "disagreement"
                Expect.isGreaterThanOrEqual (Array.min map) 0.0f "not negative"

                for found, (name, expected) in Seq.zip (part told.Influence.Length influence) told.Influence do
                    Expect.isLessThan (abs (float found - expected)) 1e-4 name
            | None, None, None -> ()
            | _ -> failtest "disagreement and influence stand where single conditions are looked at"))

let private agrees model mode = agreesOn pictures.Value model mode

/// Frames of the kind that the embedded model was made for.
let private colonoscopies () =
    let images =
        Path.Combine(Option.get (Product.folder "examples/polypgen-c6"), "c6", "images")

    [
        for name in [ "EndoCV2021_C6_0100005"; "EndoCV2021_C6_0100020"; "EndoCV2021_C6_0100034" ] ->
            Path.Combine(images, name + ".jpg")
            |> Images.readFirst ImageLimits.standard
            |> Outcome.ok
            |> fst
    ]

let tests =
    let each name (tower: unit -> Tower) width variants modes =
        testCase name
        <| fun () ->
            use _scope = torch.NewDisposeScope()

            for method in variants do
                for mode in modes do
                    agrees (model width method (tower ())) mode

    let byTexts =
        { method with
            ClassesBy = ClassesBy.Texts
            Unselected = Unselected.Background
        }

    let dense mode method = { method with DenseMode = mode }

    let refined count method =
        { method with
            MethodSettings.Refinements = count
        }

    let otherModes =
        [ dense DenseMode.Plain byTexts; refined 3 (dense DenseMode.Sclip method) ]

    testSequenced
    <| testList
        "OnnxSegmenter"
        [
            each "a ViT in every mode" vit 48L [ refined 2 method; byTexts ] modes
            each "a ViT read otherwise" vit 48L otherModes [ Marginalisation.Exact ]
            each "a ResNet of four stages in every mode" deep 48L [ refined 2 method; byTexts ] modes
            each "a ResNet of four stages read otherwise" deep 48L otherModes [ Marginalisation.Nwgm ]
            each
                "a ResNet of two stages, every cell selected"
                shallow
                48L
                [ { byTexts with Alpha = 1.0 } ]
                [ Marginalisation.Exact ]
            each
                "a ResNet-50 with torchvision's strides and padding"
                (resnet50 PlainResNet.torchvision)
                32L
                [ refined 3 byTexts ]
                [ Marginalisation.Exact; Marginalisation.Attention ]
            each
                "a ResNet-50 with Keras's strides and padding"
                (resnet50
                    { PlainResNet.torchvision with
                        StrideIn = StrideIn.Conv1
                        MaxPoolPadding = 0L
                        BatchNormEps = 1.001e-5
                    })
                32L
                [ refined 2 method ]
                [ Marginalisation.Nwgm ]
            each
                "a ResNet-18"
                (resnet18 0)
                32L
                [ refined 3 byTexts ]
                [ Marginalisation.Exact; Marginalisation.Attention ]
            each
                "a ResNet-18 whose first two parts normalise by the frame"
                (resnet18 2)
                32L
                [ refined 3 method ]
                [ Marginalisation.Exact ]
            each
                "averaged over mirror images"
                shallow
                48L
                [
                    for flips in [ Flips.Horizontal; Flips.Both ] do
                        { byTexts with Flips = Some flips }
                ]
                [ Marginalisation.Exact; Marginalisation.Attention ]
            each
                "texts of width 200, which heads of 64 channels don't divide"
                (resnet50 PlainResNet.torchvision)
                200L
                [ method ]
                [ Marginalisation.Attention; Marginalisation.Exact ]

            // On smaller frames than it answers on; at its own size every export is compared before it is handed out.
            testCase "the embedded model in every mode"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let model = embedded ()
                let frames = colonoscopies ()

                let {
                        Settings = settings
                        Preprocessing = preprocessing
                    } =
                    model.Manifest

                let smaller =
                    { model with
                        Manifest =
                            { model.Manifest with
                                Preprocessing = { preprocessing with InputSize = 224 }
                                Settings =
                                    { settings with
                                        Method = { settings.Method with InputSize = 224 }
                                    }
                            }
                    }

                List.iter (agreesOn frames smaller) modes

            testCase "a tower alone"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                use _noGrad = torch.no_grad ()

                for tower in
                    [
                        vit ()
                        vitWith Activation.Gelu ()
                        deep ()
                        resnet50 PlainResNet.torchvision ()
                        resnet18 1 ()
                    ] do
                    Folder.temporary (fun folder ->
                        let file = Path.Combine(folder, "tower.onnx")
                        Outcome.ok (OnnxExport.writeTower file tower DenseMode.Maskclip 64L) |> ignore
                        use session = Outcome.ok (OnnxRuntime.session (File.ReadAllBytes file) ignore)
                        let images = SeedTensors.normal [ 2L; 3L; 64L; 64L ] (Seed.create 4UL)
                        let expected = Tower.forward DenseMode.Maskclip tower images
                        let values = images.data<float32>().ToArray()
                        use input = OrtValue.CreateTensorValueFromMemory(values, images.shape)
                        use options = new RunOptions()
                        let names = [| "dense"; "feature" |]
                        use found = session.Run(options, [| "image" |], [| input |], names)

                        for value, own in Seq.zip found [ expected.Dense; expected.Image ] do
                            Expect.equal (value.GetTensorTypeAndShape().Shape) own.shape "shape"
                            let own = own.contiguous().data<float32>().ToArray()
                            let largest = own |> Array.map (abs >> float) |> Array.max
                            let found = value.GetTensorDataAsSpan<float32>().ToArray()
                            Expect.isLessThan (largestDifference found own) (1e-4 * (1.0 + largest)) "values")

            testCase "a model without intervention"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let active = model 48L method (shallow ())

                agrees
                    { active with
                        Manifest = { active.Manifest with Active = false }
                    }
                    Marginalisation.Exact
        ]
