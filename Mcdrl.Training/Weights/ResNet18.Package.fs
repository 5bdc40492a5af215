namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling
open Google.Protobuf
open TorchSharp

/// A constant of an ONNX file, float32 in row-major order.
type private Constant =
    {
        Shape: int64 list
        Values: float32 array
    }

/// A node of an ONNX file as far as weights need it.
type private Node =
    {
        Op: string
        Inputs: string list
        Epsilon: float32 option
    }

/// Nodes in their order, and constants by name.
type private OnnxContent =
    {
        Nodes: Node list
        Constants: Map<string, Constant>
    }

/// Reads nodes and float32 constants off an ONNX file's wire format.
[<RequireQualifiedAccess>]
module private OnnxContent =
    /// Folds over the fields of a message. `take` reads a field that it knows by its number, and says whether it did.
    let private fold
        (bytes: ByteString)
        (take: CodedInputStream -> int -> 'state -> 'state option)
        (first: 'state)
        =
        use input = bytes.CreateCodedInput()

        let rec go state =
            match input.ReadTag() with
            | 0u -> state
            | tag ->
                match take input (WireFormat.GetTagFieldNumber tag) state with
                | Some next -> go next
                | None ->
                    input.SkipLastField()
                    go state

        go first

    /// AttributeProto: its name and, if it is one, its float.
    let private attribute bytes =
        ("", None)
        |> fold bytes (fun input number (name, value) ->
            match number with
            | 1 -> Some(input.ReadString(), value)
            | 2 -> Some(name, Some(input.ReadFloat()))
            | _ -> None)

    /// NodeProto.
    let private node bytes =
        { Op = ""; Inputs = []; Epsilon = None }
        |> fold bytes (fun input number node ->
            match number with
            | 1 ->
                Some
                    { node with
                        Inputs = node.Inputs @ [ input.ReadString() ]
                    }
            | 4 -> Some { node with Op = input.ReadString() }
            | 5 ->
                match attribute (input.ReadBytes()) with
                | "epsilon", value -> Some { node with Epsilon = value }
                | _ -> Some node
            | _ -> None)

    let private floats (bytes: ByteString) =
        let values = Array.zeroCreate<float32>(bytes.Length / 4)

        bytes.Span
            .Slice(0, 4 * values.Length)
            .CopyTo(Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()))

        values

    /// TensorProto of float32: packed in float_data, or raw.
    let private constant bytes =
        ("", { Shape = []; Values = [||] })
        |> fold bytes (fun input number (name, constant) ->
            match number with
            | 1 ->
                Some(
                    name,
                    { constant with
                        Shape = constant.Shape @ [ input.ReadInt64() ]
                    }
                )
            | 8 -> Some(input.ReadString(), constant)
            | 4
            | 9 ->
                Some(
                    name,
                    { constant with
                        Values = floats (input.ReadBytes())
                    }
                )
            | _ -> None)

    /// GraphProto.
    let private graph bytes content =
        let nodes, constants =
            ([], [])
            |> fold bytes (fun input number (nodes, constants) ->
                match number with
                | 1 -> Some(node (input.ReadBytes()) :: nodes, constants)
                | 5 -> Some(nodes, constant (input.ReadBytes()) :: constants)
                | _ -> None)

        { content with
            Nodes = content.Nodes @ List.rev nodes
            Constants = Map.ofList constants
        }

    let private parsed path (bytes: byte array) : Result<OnnxContent, McdrlError> =
        try
            { Nodes = []; Constants = Map.empty }
            |> fold (UnsafeByteOperations.UnsafeWrap(ReadOnlyMemory bytes)) (fun input number content ->
                match number with
                | 7 -> Some(graph (input.ReadBytes()) content)
                | _ -> None)
            |> Ok
        with :? InvalidProtocolBufferException as problem ->
            Error(
                McdrlError.model
                    $"it is no ONNX file: {problem.Message.TrimEnd '.'}"
                    path
                    "Use the file of the package, copied whole"
            )

    /// Bytes; the package's has 64 million.
    let private largest = 500_000_000L

    let read (path: string) : Result<OnnxContent, McdrlError> =
        Files.read largest path |> Result.bind (parsed path)

/// The ResNet-18 of the package Microsoft.ML.DnnImageFeaturizer.ResNet18, which CNTK wrote: an ONNX graph of convolutions with
/// their normalisations, and another that subtracts a mean picture from BGR levels.
[<RequireQualifiedAccess>]
module ResNet18Package =
    let private useThePackage =
        "Use ResNet18.onnx and ResNetPreprocess.onnx of Microsoft.ML.DnnImageFeaturizer.ResNet18"

    let private fault path what =
        McdrlError.model what path useThePackage

    /// What the files are called inside the package.
    let networkFile = "tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx"

    /// As `networkFile`, the mean picture.
    let meanFile = "tools/DnnImageModels/ResNetPrepOnnx/ResNetPreprocess.onnx"

    /// Each convolution with the batch normalisation that follows it, in the graph's order.
    let private layers path (content: OnnxContent) =
        let constantsOf (node: Node) =
            node.Inputs |> List.choose content.Constants.TryFind

        content.Nodes
        |> List.filter (fun node -> node.Op = "Conv" || node.Op = "BatchNormalization")
        |> List.chunkBySize 2
        |> List.traverseResultM (fun pair ->
            match pair with
            | [ { Op = "Conv" } as conv; { Op = "BatchNormalization" } as norm ] ->
                match constantsOf conv, constantsOf norm with
                | [ kernel ], [ weight; bias; mean; variance ] when kernel.Shape.Length = 4 ->
                    Ok(kernel, [ weight; bias; mean; variance ], norm.Epsilon)
                | _ ->
                    Error(fault path "a convolution or its normalisation has other constants than expected")
            | _ -> Error(fault path "a convolution has no batch normalisation after it"))

    /// The two names of each layer in torchvision's layout: the stem, then blocks of two 3×3 convolutions, with a 1×1 shortcut
    /// before them where a new stage begins. A third block of the last stage has `None`.
    let private names (kernels: int64 list list) =
        let block (stage: int) (index: int) name = $"layer{stage}.{index}.{name}"

        let rec go stage index kernels =
            match kernels with
            | [ _; _; 1L; 1L ] :: _ :: _ :: rest ->
                let at = block (stage + 1) 0

                Some(at "downsample.0", at "downsample.1")
                :: Some(at "conv1", at "bn1")
                :: Some(at "conv2", at "bn2")
                :: go (stage + 1) 1 rest
            | _ :: _ :: rest ->
                let at = block stage index

                let named first second =
                    if index < 2 then Some(at first, at second) else None

                named "conv1" "bn1" :: named "conv2" "bn2" :: go stage (index + 1) rest
            | [ _ ]
            | [] -> []

        Some("conv1", "bn1")
        :: go 1 0 (List.truncate (kernels.Length - 1) (List.skip 1 kernels))

    let private tensor (constant: Constant) =
        torch.tensor(constant.Values).reshape(List.toArray constant.Shape)

    /// Tensors in torchvision's names, float32 in the caller's scope, and the facts that go with them. The graph takes BGR: the
    /// stem's kernels are turned to RGB. The mean picture becomes one number a channel, so that frames need not be 224 px. The
    /// package has a third block in its last stage, which the published ResNet-18 has not: it is left out.
    let read
        (network: string)
        (mean: string)
        : Result<(string * Tensor) list * PlainResNetFacts, McdrlError> =
        result {
            let! content = OnnxContent.read network
            let! layers = layers network content
            let! preparation = OnnxContent.read mean

            let! picture =
                match preparation.Constants |> Map.toList |> List.map snd with
                | [ { Shape = [ 1L; 3L; height; width ] } as picture ] when
                    int64 picture.Values.Length = 3L * height * width
                    && not (Array.isEmpty picture.Values)
                    ->
                    Ok picture
                | _ -> Error(fault mean "there is no mean picture of three channels")

            do!
                layers
                |> List.collect (fun (kernel, norm, _) -> kernel :: norm)
                |> List.forall (fun constant ->
                    List.fold (*) 1L constant.Shape = int64 constant.Values.Length)
                |> Result.requireTrue (
                    fault network "a constant holds more or fewer values than its shape says"
                )

            let! eps =
                match layers |> List.map (fun (_, _, eps) -> eps) |> List.distinct with
                | [ Some eps ] -> Ok(float eps)
                | _ -> Error(fault network "its batch normalisations state no ε, or several")

            use scope = torch.NewDisposeScope()

            let tensors =
                List.zip (layers |> List.map (fun (kernel, _, _) -> kernel.Shape) |> names) layers
                |> List.collect (fun (name, (kernel, norm, _)) ->
                    match name with
                    | None -> []
                    | Some(conv, bn) ->
                        let kernel =
                            if conv = "conv1" then
                                (tensor kernel).flip 1L
                            else
                                tensor kernel

                        ($"{conv}.weight", kernel)
                        :: List.map2
                            (fun part constant -> $"{bn}.{part}", tensor constant)
                            [ "weight"; "bias"; "running_mean"; "running_var" ]
                            norm)

            for _, leaf in tensors do
                scope.MoveToOuter leaf |> ignore

            let channel =
                picture.Values
                |> Array.chunkBySize (picture.Values.Length / 3)
                |> Array.map (Array.averageBy float)

            return
                tensors,
                { PlainResNet.torchvision with
                    // Six significant digits of what float32 holds.
                    BatchNormEps = Math.Round(eps, 10)
                    Mean = [ for level in Array.rev channel -> Math.Round(level, 3) / 255.0 ]
                    Std = List.replicate 3 (1.0 / 255.0)
                }
        }

    /// Writes the weights as a safetensors file that `Weights.load` reads: kernels in half precision, normalisations in float32.
    let convert (network: string) (mean: string) (path: string) : Result<unit, McdrlError> =
        use _scope = torch.NewDisposeScope()

        read network mean
        |> Result.bind (fun (tensors, facts) ->
            tensors
            |> List.map (fun (name, leaf) -> name, WeightStorage.stored WeightStorage.F16 leaf)
            |> Safetensors.write path (PlainResNet.metadata ResNetDepth.ResNet18 facts))
