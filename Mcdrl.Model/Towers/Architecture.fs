namespace Mcdrl

open TorchSharp

/// The names and shapes of a set of weights, from which an architecture is read.
[<NoComparison; NoEquality>]
type Shapes =
    {
        /// The file, for errors.
        Origin: string
        /// By the tensor's name.
        Sizes: Map<string, int64 list>
    }

/// Reads layers, widths and counts off names and sizes.
[<RequireQualifiedAccess>]
module Shapes =
    /// The shapes of a file's tensors; `origin` names it in errors.
    let ofTensors origin (tensors: Map<string, Tensor>) : Shapes =
        {
            Origin = origin
            Sizes = tensors |> Map.map (fun _ tensor -> List.ofArray tensor.shape)
        }

    /// The part below `prefix.`, without it.
    let below (prefix: string) (shapes: Shapes) : Shapes =
        let start = prefix + "."

        { shapes with
            Sizes =
                shapes.Sizes
                |> Map.toSeq
                |> Seq.filter (fun (name, _) -> name.StartsWith(start, System.StringComparison.Ordinal))
                |> Seq.map (fun (name, size) -> name.Substring start.Length, size)
                |> Map.ofSeq
        }

    /// Whether there is a tensor of this name.
    let has name (shapes: Shapes) = shapes.Sizes.ContainsKey name

    /// How many list positions stand directly below `prefix`: 12 for names prefix.0.x to prefix.11.x.
    let count (prefix: string) (shapes: Shapes) =
        (below prefix shapes).Sizes.Keys
        |> Seq.map (fun name -> name.Split('.')[0])
        |> Seq.distinct
        |> Seq.length

    /// The sizes of the named tensors, each with the rank asked for. All that are missing or of another rank are
    /// reported together.
    let require (wanted: (string * int) list) (shapes: Shapes) : Result<int64 list list, McdrlError> =
        let problem (name, rank) =
            match shapes.Sizes.TryFind name with
            | None -> Some $"{name} is missing"
            | Some size when size.Length <> rank -> Some $"{name} is {shapeText size}, not of {rank} axes"
            | Some size when List.contains 0L size -> Some $"{name} is {shapeText size}, empty"
            | Some _ -> None

        match List.choose problem wanted with
        | [] -> Ok [ for name, _ in wanted -> shapes.Sizes[name] ]
        | problems ->
            Error(
                McdrlError.model
                    ("the architecture can't be read off the shapes: " + String.concat "; " problems)
                    shapes.Origin
                    "Use CLIP weights in OpenAI's, open_clip's or Hugging Face's layout, or a torchvision ResNet-18, -34 or -50"
            )

    /// A fault of the architecture as a whole.
    let refuse what (shapes: Shapes) =
        McdrlError.model
            what
            shapes.Origin
            "Use weights of a CLIP with a ViT or a ResNet, or a torchvision ResNet-18, -34 or -50"

/// Layers without memory (torch's meta device): shapes to load into and to count.
[<RequireQualifiedAccess>]
module Template =
    /// float32 of this shape.
    let tensor (shape: int64 list) = Filling.empty shape

    /// With a bias.
    let linear (inputs: int64) (outputs: int64) =
        Init.linear inputs outputs Filling.Shapes

    /// Over so many channels.
    let layerNorm (width: int64) = Init.layerNorm width Filling.Shapes

    /// A convolution without bias.
    let conv2d (inputs: int64) (outputs: int64) (side: int64) : Conv2d =
        {
            weight = tensor [ outputs; inputs; side; side ]
            bias = None
        }

    /// Over so many channels.
    let batchNorm (channels: int64) : BatchNorm =
        {
            weight = tensor [ channels ]
            bias = tensor [ channels ]
            running_mean = tensor [ channels ]
            running_var = tensor [ channels ]
        }

    /// Of tokens of this width.
    let attention (width: int64) = Init.attention width Filling.Shapes
