namespace Mcdrl

open System.Globalization
open System.Text.Json
open TorchSharp

/// A model as an ONNX file: the whole segmenter, from frames to probabilities, in one mode of marginalisation.
[<RequireQualifiedAccess>]
module OnnxExport =
    let private preprocessing =
        "RGB, upright; both sides to input_size by Pillow's antialiased bicubic resize, aspect not kept; then divided by 255. Mean and standard deviation are inside the graph."

    let private metadata (model: Model) mode =
        let manifest = model.Manifest
        let settings = manifest.Settings.Method

        [
            "product", $"mcdrl {Product.release}"
            "notice", Product.notice
            "task", "lesion segmentation"
            "classes", JsonSerializer.Serialize manifest.Classes
            "conditions", JsonSerializer.Serialize settings.Conditions
            "prior", JsonSerializer.Serialize(Prior.weights model.Texts)
            "mode", Marginalisation.name mode
            "active", (if manifest.Active then "true" else "false")
            "tower", manifest.Tower
            "input_size", string manifest.Preprocessing.InputSize
            for share in Option.toList manifest.Settings.Method.MinArea do
                OnnxContract.minArea, share.ToString("R", CultureInfo.InvariantCulture)
            "resize", RecordJson.text manifest.Preprocessing.Resize
            "preprocessing", preprocessing
            "trained_on", manifest.Provenance.Data
            "data_sha256", manifest.Provenance.DataSha256
            "weights_sha256", manifest.Provenance.WeightsSha256
        ]

    let private under prefix tree =
        Tree.leaves tree |> List.map (fun (path, leaf) -> $"{prefix}.{path}", leaf)

    /// A tensor of a batch, float32.
    let private port name axes description : OnnxPort =
        {
            Name = name
            Axes = "batch" :: axes
            Description = description
        }

    let private framesOf (side: string) description =
        port OnnxContract.image [ "3"; side; side ] description

    /// The file's contents, with what is said about conditions if `compared`. Constants are made in the caller's scope and must
    /// live until it is written.
    let private assemble compared (model: Model) mode : OnnxModel =
        let graph =
            OnnxGraph.create (
                under "tower" model.Tower
                @ under "network" model.Network
                @ under "texts" model.Texts
            )

        let size = model.Manifest.Preprocessing.InputSize
        let side = string size

        let answer =
            OnnxSegmenter.build
                graph
                model
                mode
                {
                    Name = OnnxContract.image
                    Shape = [ -1L; 3L; int64 size; int64 size ]
                }

        let outputs =
            [
                OnnxGraph.named graph OnnxContract.probabilities answer.Probabilities,
                port
                    OnnxContract.probabilities
                    [ string (model.Manifest.Classes.Length + 1); side; side ]
                    "P(Y | do(F)) of each pixel: background, then the classes in their order."
                match answer.Comparison with
                | Some(information, perCondition) when compared ->
                    OnnxGraph.named graph OnnxContract.disagreement information,
                    port OnnxContract.disagreement [ side; side ] "I(Y; Z | F) of each pixel in nats."

                    OnnxGraph.named graph OnnxContract.influence perCondition,
                    port
                        OnnxContract.influence
                        [ string model.Manifest.Settings.Method.Conditions.Length ]
                        "How far the answer under each condition alone is from the adjusted one: mean KL divergence in nats."
                | Some _
                | None -> ()
            ]

        let nodes, initialisers = OnnxGraph.finish graph (List.map fst outputs)

        {
            Name = "mcdrl"
            Description = $"Marks lesions in endoscopic frames. {Product.notice}"
            ProducerVersion = Product.release
            Opset = OnnxOp.opset
            Inputs = [ framesOf side "Frames, RGB in [0, 1]." ]
            Outputs = List.map snd outputs
            Nodes = nodes
            Initialisers = initialisers
            Metadata = metadata model mode
        }

    let private writeCompared compared path (model: Model) mode =
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()

        match model.Rival with
        | Some(Rival.Prompts _) ->
            Error(
                McdrlError.usage
                    "a text tower words this model's class texts for each image, and it can't be exported"
                    "method.prompting of the model"
                    "Export a model of fixed prompts or of method.prompting biomedcoop"
            )
        | Some(Rival.Attention _) ->
            Error(
                McdrlError.usage
                    "this model's image and texts attend to each other, which can't be exported"
                    "method.fusion of the model"
                    "Export a model without method.fusion"
            )
        | None when mode = Marginalisation.Rendered ->
            Error(
                McdrlError.usage
                    "an exported model sees a frame once and can't render it under conditions"
                    "“mode” rendered"
                    $"Export one of {Marginalisation.names Marginalisation.inFeatures}, or segment with the model's folder, which libtorch computes"
            )
        | None when mode = Marginalisation.Custom ->
            Error(
                McdrlError.usage
                    "a mode of one's own is a function of this process, which no file can hold"
                    "“mode” custom"
                    $"Export one of {Marginalisation.names Marginalisation.inFeatures}"
            )
        | None -> assemble compared model mode |> OnnxModel.write path

    /// Writes the model as an ONNX file whose graph answers in `mode`; gives its size in bytes. Weights of any device. A
    /// model with a rival is refused, and so are `Rendered` and `Custom`.
    let write (path: string) (model: Model) mode : Result<int64, McdrlError> =
        writeCompared true path model mode

    /// `write` with probabilities alone, to be measured: in modes that look at single conditions too the graph computes nothing
    /// about them.
    let writeProbabilities (path: string) (model: Model) mode : Result<int64, McdrlError> =
        writeCompared false path model mode

    /// Writes an image tower alone, to be measured: `image` [B, 3, side, side], normalised, to `dense` [B, H, W, width] in
    /// the way of `mode` and `feature` [B, width]. Gives the file's size in bytes.
    let writeTower (path: string) (tower: Tower) (mode: DenseMode) (side: int64) : Result<int64, McdrlError> =
        use _noGrad = torch.no_grad ()
        use _scope = torch.NewDisposeScope()
        let graph = OnnxGraph.create (under "tower" tower)

        let features =
            OnnxTower.forward
                graph
                mode
                tower
                {
                    Name = OnnxContract.image
                    Shape = [ -1L; 3L; side; side ]
                }

        let outputs =
            [
                OnnxGraph.named graph "dense" features.Dense
                OnnxGraph.named graph "feature" features.Image
            ]

        let nodes, initialisers = OnnxGraph.finish graph outputs

        OnnxModel.write
            path
            {
                Name = Tower.name tower
                Description = $"An image tower. {Product.notice}"
                ProducerVersion = Product.release
                Opset = OnnxOp.opset
                Inputs = [ framesOf (string side) "Normalised frames." ]
                Outputs =
                    [
                        for output in outputs ->
                            port output.Name (output.Shape |> List.tail |> List.map string) ""
                    ]
                Nodes = nodes
                Initialisers = initialisers
                Metadata = []
            }
