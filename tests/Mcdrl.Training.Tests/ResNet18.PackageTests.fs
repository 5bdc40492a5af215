module Mcdrl.Tests.ResNet18PackageTests

open System
open System.IO
open System.Text
open Expecto
open Microsoft.ML.OnnxRuntime
open TorchSharp
open Mcdrl

let rec private varint (value: int) : byte list =
    if value < 128 then
        [ byte value ]
    else
        byte (value % 128 + 128) :: varint (value / 128)

/// A field that holds a message, a text or packed numbers.
let private field (number: int) (content: byte seq) : byte array =
    let content = Array.ofSeq content

    Array.concat
        [
            Array.ofList (varint (8 * number + 2))
            Array.ofList (varint content.Length)
            content
        ]

let private text number (value: string) =
    field number (Encoding.UTF8.GetBytes value)

/// As CNTK writes them: a number an axis, values packed in float_data.
let private constant (name: string) (shape: int list) (values: float32 seq) =
    Array.concat
        [
            for size in shape do
                yield! [ [| 8uy |]; Array.ofList (varint size) ]
            [| 16uy; 1uy |]
            field 4 (values |> Seq.collect BitConverter.GetBytes)
            text 8 name
        ]
    |> field 5

let private node op inputs (attributes: byte array) =
    Array.concat [ yield! List.map (text 1) inputs; text 4 op; attributes ]
    |> field 1

let private epsilon =
    Array.concat [ text 1 "epsilon"; [| 0x15uy |]; BitConverter.GetBytes 1e-5f ]
    |> field 5

let private onnx parts =
    Array.concat [ [| 8uy; 3uy |]; field 7 (Array.concat parts) ]

/// Kernels of the network, in the order of the graph: outputs, inputs, side.
let private kernels width =
    let block inputs outputs =
        [
            if inputs <> outputs then
                outputs, inputs, 1
            outputs, inputs, 3
            outputs, outputs, 3
        ]

    [
        width, 3, 7
        yield! block width width
        yield! block width width
        for stage in 1..3 do
            let planes = width <<< stage
            yield! block (planes / 2) planes
            yield! block planes planes
        yield! block (8 * width) (8 * width)
    ]

/// The package's network, of other width; every layer's values say which layer it is.
let private small width =
    kernels width
    |> List.mapi (fun index (outputs, inputs, side) ->
        let count = outputs * inputs * side * side

        [
            node "Conv" [ "x"; $"Parameter{index}" ] [||]
            node "BatchNormalization" ("x" :: [ for part in 0..3 -> $"Part{part}.{index}" ]) epsilon
            constant
                $"Parameter{index}"
                [ outputs; inputs; side; side ]
                (Seq.init count (fun place -> float32 index + float32 place / float32 count))
            for part in 0..3 do
                constant
                    $"Part{part}.{index}"
                    [ outputs ]
                    (Seq.replicate outputs (float32 (10 * index + part)))
        ])
    |> List.concat
    |> onnx

let private meanPicture =
    // B, G, R in two rows of two.
    onnx
        [
            constant "MeanImage" [ 1; 3; 2; 2 ] [ 1f; 2f; 3f; 2f; 51f; 51f; 51f; 51f; 102f; 102f; 102f; 102f ]
        ]

let private written work =
    Folder.temporary (fun folder ->
        use _scope = torch.NewDisposeScope()

        let network, mean =
            Path.Combine(folder, "network.onnx"), Path.Combine(folder, "mean.onnx")

        File.WriteAllBytes(network, small 2)
        File.WriteAllBytes(mean, meanPicture)
        work network mean)

/// The package's folder that the environment names; skips the running test where it names none.
let private package () =
    match Environment.GetEnvironmentVariable "MCDRL_RESNET18" with
    | null
    | "" -> skiptest "skipped, MCDRL_RESNET18 names no folder of Microsoft.ML.DnnImageFeaturizer.ResNet18"
    | folder -> folder

/// What ONNX Runtime gives for an output of the package's graph, which it is added to as an output of the whole.
let private byOnnxRuntime (file: string) (output: string) (input: Tensor) =
    let added =
        Array.append (File.ReadAllBytes file) (field 7 (field 12 (text 1 output)))

    use options = new SessionOptions()
    use session = new InferenceSession(added, options)

    use value =
        OrtValue.CreateTensorValueFromMemory(input.data<float32>().ToArray(), input.shape)

    use run = new RunOptions()
    use found = session.Run(run, [| "Input247" |], [| value |], [| output |])
    let shape = found[0].GetTensorTypeAndShape().Shape
    torch.tensor(found[0].GetTensorDataAsSpan<float32>().ToArray()).reshape shape

let private towerOf tensors facts =
    Outcome.ok (Tower.assemble "test" (PlainResNet.metadata ResNetDepth.ResNet18 facts) (Map.ofList tensors))

let private distance (found: Tensor) (expected: Tensor) =
    Expect.equal found.shape expected.shape "shape"
    found.sub(expected).norm().div(expected.norm ()).``to``(torch.float64).item<float>()

let tests =
    testSequenced
    <| testList
        "ResNet18Package"
        [
            testCase "every tensor of torchvision's ResNet-18 but its classifier, and no third block"
            <| fun () ->
                written (fun network mean ->
                    let tensors, _ = Outcome.ok (ResNet18Package.read network mean)

                    let wanted =
                        PlainResNet.template ResNetDepth.ResNet18 PlainResNet.torchvision None
                        |> Tree.leaves

                    Expect.equal (set (List.map fst tensors)) (set (List.map fst wanted)) "names"

                    for name, leaf in wanted do
                        let found = (Map.ofList tensors)[name]

                        let narrow =
                            leaf.shape |> Array.map (fun size -> if size >= 64L then size / 32L else size)

                        Expect.equal found.shape narrow name)

            testCase "each tensor comes from its layer, the stem's channels turned from BGR to RGB"
            <| fun () ->
                written (fun network mean ->
                    let tensors = Outcome.ok (ResNet18Package.read network mean) |> fst |> Map.ofList

                    // The layers in the order of the graph: a shortcut before the block's own.
                    for name, layer in
                        [
                            "layer1.0.conv1", 1
                            "layer1.1.conv2", 4
                            "layer2.0.downsample.0", 5
                            "layer2.0.conv1", 6
                            "layer4.1.conv2", 19
                        ] do
                        let kernel = tensors[$"{name}.weight"]
                        Expect.equal (kernel.min().item<float32>()) (float32 layer) name

                    for name, part in [ "weight", 0; "bias", 1; "running_mean", 2; "running_var", 3 ] do
                        Expect.equal
                            (tensors[$"layer4.1.bn2.{name}"].data<float32>().ToArray())
                            (Array.replicate 16 (float32 (190 + part)))
                            name

                    let stem = tensors["conv1.weight"]
                    Expect.equal (stem[0L, 2L, 0L, 0L].item<float32>()) 0f "red, where blue was"
                    Expect.equal (stem[0L, 0L, 0L, 0L].item<float32>()) (98f / 294f) "blue, where red was")

            testCase "the mean of every channel, RGB, and levels that are not scaled"
            <| fun () ->
                written (fun network mean ->
                    let _, facts = Outcome.ok (ResNet18Package.read network mean)
                    Expect.equal facts.Mean [ 102.0 / 255.0; 51.0 / 255.0; 2.0 / 255.0 ] "mean"
                    Expect.equal facts.Std (List.replicate 3 (1.0 / 255.0)) "std"
                    Expect.floatClose Accuracy.high facts.BatchNormEps 1e-5 "epsilon")

            testCase "files that aren't the package's are refused, and say so"
            <| fun () ->
                written (fun network mean ->
                    ResNet18Package.read mean mean
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ "mean.onnx"; "no ε" ]

                    ResNet18Package.read network network
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ "no mean picture" ]

                    File.WriteAllText(network, "PK no protobuf")

                    ResNet18Package.read network mean
                    |> Result.map ignore
                    |> Outcome.refusedWith 3 [ "network.onnx" ])

            testCase
                "the package itself: all four stages as ONNX Runtime computes them, from the same BGR levels"
            <| fun () ->
                use _noGrad = torch.no_grad ()
                use _scope = torch.NewDisposeScope()
                let folder = package ()
                let network = Path.Combine(folder, ResNet18Package.networkFile)

                let tensors, facts =
                    Outcome.ok (ResNet18Package.read network (Path.Combine(folder, ResNet18Package.meanFile)))

                let tower = towerOf tensors facts

                let levels =
                    (SeedTensors.normal [ 1L; 3L; 224L; 224L ] (Seed.create 6UL)).mul(scalar 60.0)

                let features = Tower.forward DenseMode.Plain tower levels

                let expected output =
                    byOnnxRuntime network output ((levels.flip 1L).contiguous())

                let dense = features.Dense.permute (0L, 3L, 1L, 2L)

                for name, found, output in
                    [
                        "layer1", features.Skips[0], "ReLU283_Output_0"
                        "layer2", features.Skips[1], "ReLU315_Output_0"
                        "layer3", features.Skips[2], "ReLU347_Output_0"
                        "layer4", dense, "ReLU379_Output_0"
                    ] do
                    Expect.isLessThan (distance found (expected output)) 1e-5 name
        ]
