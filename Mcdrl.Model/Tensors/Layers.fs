namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// y = x Wᵀ + b.
[<NoComparison; NoEquality>]
type Linear =
    {
        /// W, [outputs, inputs].
        weight: Tensor
        /// b, [outputs].
        bias: Tensor option
    }

/// Normalisation over the last axis.
[<NoComparison; NoEquality>]
type LayerNorm =
    {
        /// [width].
        weight: Tensor
        /// [width].
        bias: Tensor
    }

/// A convolution over two axes.
[<NoComparison; NoEquality>]
type Conv2d =
    {
        /// [outputs, inputs, height, width].
        weight: Tensor
        /// [outputs].
        bias: Tensor option
    }

/// Batch normalisation with fixed statistics.
[<NoComparison; NoEquality>]
type BatchNorm =
    {
        /// γ, [channels].
        weight: Tensor
        /// β, [channels].
        bias: Tensor
        /// μ, [channels].
        running_mean: Tensor
        /// σ², [channels].
        running_var: Tensor
    }

/// Normalisation over groups of channels.
[<NoComparison; NoEquality>]
type GroupNorm =
    {
        /// [channels].
        weight: Tensor
        /// [channels].
        bias: Tensor
    }

/// Multi-head attention with PyTorch's packed projections.
[<NoComparison; NoEquality>]
type Attention =
    {
        /// Of q, k and v, one below the other, [3·width, width].
        in_proj_weight: Tensor
        /// [3·width].
        in_proj_bias: Tensor
        /// From the merged heads, width to width.
        out_proj: Linear
    }

/// What attention makes of memories, see `Layers.remembered`.
[<NoComparison; NoEquality>]
type Memory =
    {
        /// W_Qᵀ k / √c of each head and memory, [1 or B, heads·m, width].
        Asked: Tensor
        /// b_Q·k / √c, [1 or B, 1, heads, m].
        Offset: Tensor
        /// W_O v of each head and memory, [1 or B, heads·m, width].
        Said: Tensor
    }

/// Layers are values; these functions apply them. All are pure and free what they make on the way.
[<AutoOpen>]
module Layers =
    let private orNull (value: Tensor option) : Tensor =
        match value with
        | Some tensor -> tensor
        | None -> Unchecked.defaultof<Tensor>

    /// The exact Gaussian error linear unit.
    let gelu (x: Tensor) = functional.gelu x

    /// max(0, x).
    let relu (x: Tensor) = functional.relu x

    let private follow epilogue (x: Tensor) =
        match epilogue with
        | Epilogue.Nothing -> x
        | Epilogue.Relu -> relu x
        | Epilogue.Gelu -> gelu x
        | Epilogue.Swish -> functional.silu x
        | Epilogue.Add other -> x.add (other, unity)
        | Epilogue.AddRelu other -> relu (x.add (other, unity))

    /// A linear layer and what follows it, one kernel for a packed layer. [..., inputs] → [..., outputs]
    let linearThen epilogue (layer: Linear) (x: Tensor) =
        if OneDnn.isPacked layer.weight then
            OneDnn.linear epilogue layer.weight layer.bias x
        else
            scoped (fun () -> functional.linear (x, layer.weight, orNull layer.bias) |> follow epilogue)

    /// [..., inputs] → [..., outputs]
    let linear (layer: Linear) (x: Tensor) = linearThen Epilogue.Nothing layer x

    /// A convolution with zero padding and what follows it, one kernel for a packed layer.
    /// [B, inputs, h, w] → [B, outputs, h', w']
    let conv2dThen epilogue (stride: int64) (padding: int64) (layer: Conv2d) (x: Tensor) =
        if OneDnn.isPacked layer.weight then
            OneDnn.convolution epilogue stride padding layer.weight layer.bias x
        else
            // A trained kernel of 3×3 takes up to twice as long over a channels-last map, there and back.
            scoped (fun () ->
                let ordered = if torch.is_grad_enabled () then x.contiguous () else x

                functional.conv2d (
                    ordered,
                    layer.weight,
                    orNull layer.bias,
                    strides = [| stride; stride |],
                    padding = [| padding; padding |]
                )
                |> follow epilogue)

    /// [B, inputs, h, w] → [B, outputs, h', w'], zero padding.
    let conv2d (stride: int64) (padding: int64) (layer: Conv2d) (x: Tensor) =
        conv2dThen Epilogue.Nothing stride padding layer x

    /// Normalises the last axis. [..., width] → [..., width]
    let layerNormBy (eps: float) (layer: LayerNorm) (x: Tensor) =
        functional.layer_norm (x, layer.weight.shape, layer.weight, layer.bias, eps)

    /// Normalises the last axis, eps 1e-5. [..., width] → [..., width]
    let layerNorm (layer: LayerNorm) (x: Tensor) = layerNormBy 1e-5 layer x

    /// Batch normalisation by the stored statistics (never the batch's). [B, C, h, w] → [B, C, h, w]
    let batchNorm (eps: float) (layer: BatchNorm) (x: Tensor) =
        functional.batch_norm (
            x,
            layer.running_mean,
            layer.running_var,
            layer.weight,
            layer.bias,
            training = false,
            eps = eps
        )

    /// Batch normalisation by the batch's own statistics, as in pretraining: the stored ones are neither read nor
    /// written. [B, C, h, w] → [B, C, h, w]
    let batchNormByBatch (eps: float) (layer: BatchNorm) (x: Tensor) =
        functional.batch_norm (
            x,
            orNull None,
            orNull None,
            layer.weight,
            layer.bias,
            training = true,
            eps = eps
        )

    /// Instance normalisation with a batch normalisation's γ and β: each frame by its own mean and variance of every channel;
    /// the stored ones are not read. [B, C, h, w] → [B, C, h, w]
    let batchNormByFrame (eps: float) (layer: BatchNorm) (x: Tensor) =
        functional.instance_norm (
            x,
            weight = layer.weight,
            bias = layer.bias,
            use_input_stats = true,
            eps = eps
        )

    /// [B, C, h, w] → [B, C, h, w], eps 1e-5; C must be divisible by `groups`.
    let groupNorm (groups: int64) (layer: GroupNorm) (x: Tensor) =
        // libtorch's backward of channels-last maps that need no gradient themselves writes to address 0.
        scoped (fun () ->
            let ordered = if torch.is_grad_enabled () then x.contiguous () else x
            functional.group_norm (ordered, groups, layer.weight, layer.bias, 1e-5))

    /// The weights of bilinear interpolation with half-pixel centres and held edges, [target, source].
    let private bilinear (source: int64) (target: int64) (like: Tensor) =
        scoped (fun () ->
            let weights = Array2D.zeroCreate<float> (int target) (int source)

            for row in 0 .. int target - 1 do
                let at = max 0.0 ((float row + 0.5) * float source / float target - 0.5)
                let low = min (int source - 1) (int at)
                let high = min (int source - 1) (low + 1)
                let share = at - float low
                weights[row, low] <- weights[row, low] + 1.0 - share
                weights[row, high] <- weights[row, high] + share

            torch.tensor(weights).``to``(like.dtype).``to`` like.device)

    /// Channels below which two products with `bilinear` are two to twenty times faster than libtorch's kernels.
    let private fewChannels = 16L

    /// Bilinear, half-pixel centres; a map of this size as it is. [B, C, h, w] → [B, C, size[0], size[1]]
    let resized (size: int64 seq) (x: Tensor) =
        let height, width = Seq.item 0 size, Seq.item 1 size

        if height = x.shape[2] && width = x.shape[3] then
            x.alias ()
        elif x.shape[1] < fewChannels && x.dtype <> torch.bfloat16 then
            scoped (fun () ->
                let columns = (bilinear x.shape[3] width x).t() // [w, width]
                (bilinear x.shape[2] height x).matmul(x.contiguous().matmul columns))
        else
            functional.interpolate (
                x,
                size = Seq.toArray size,
                mode = torch.InterpolationMode.Bilinear,
                align_corners = false
            )

    /// x·σ(1.702x), the activation that OpenAI's CLIP was trained with.
    let quickGelu (x: Tensor) =
        scoped (fun () -> x.mul(scalar 1.702).sigmoid().mul x)

    /// Convolution, batch normalisation and what follows. `normalise eps layer` is the normalisation; a packed
    /// convolution has taken it in. [B, inputs, h, w] → [B, outputs, h', w']
    let convNorm epilogue normalise (eps: float) stride padding (conv: Conv2d) (norm: BatchNorm) (x: Tensor) =
        if OneDnn.isPacked conv.weight then
            conv2dThen epilogue stride padding conv x
        else
            scoped (fun () -> conv2d stride padding conv x |> normalise eps norm |> follow epilogue)

    /// One convolution that computes what both do: weight·γ/σ, and (b − μ)·γ/σ + β.
    let folded (eps: float) (conv: Conv2d) (norm: BatchNorm) : Conv2d =
        use scope = torch.NewDisposeScope()
        let scale = norm.weight.div (norm.running_var.add(scalar eps, unity).sqrt())

        let centred =
            (conv.bias |> Option.defaultWith (fun () -> torch.zeros_like norm.bias)).sub norm.running_mean

        {
            weight = scope.MoveToOuter(conv.weight.mul (scale.view (-1L, 1L, 1L, 1L)))
            bias = Some(scope.MoveToOuter(centred.mul(scale).add(norm.bias, unity)))
        }

    /// Unit length along the last axis; a zero vector stays zero.
    let unit (x: Tensor) =
        functional.normalize (x, p = 2.0, dim = -1L)

    /// The q, k or v part (0, 1, 2) of a packed projection.
    let projection (part: int64) (layer: Attention) : Linear =
        let width = layer.out_proj.weight.shape[0]

        {
            weight = layer.in_proj_weight.narrow (0L, part * width, width)
            bias = Some(layer.in_proj_bias.narrow (0L, part * width, width))
        }

    /// Queries, keys and values of one sequence. [B, n, width] → three of [B, heads, n, width / heads]
    let selfProjections (heads: int64) (layer: Attention) (x: Tensor) : struct (Tensor * Tensor * Tensor) =
        use scope = torch.NewDisposeScope()

        let all: Linear =
            {
                weight = layer.in_proj_weight
                bias = Some layer.in_proj_bias
            }

        let parts = // [3, B, heads, n, width / heads]
            (linear all x).unflatten(2L, [| 3L; heads; -1L |]).permute(2L, 0L, 3L, 1L, 4L).unbind 0L

        struct (scope.MoveToOuter parts[0], scope.MoveToOuter parts[1], scope.MoveToOuter parts[2])

    /// [B, n, width] → [B, heads, n, width / heads]
    let splitHeads (heads: int64) (x: Tensor) =
        x.unflatten(x.dim () - 1L, [| heads; -1L |]).transpose(-3L, -2L)

    /// [B, heads, n, width / heads] → [B, n, width]
    let mergeHeads (x: Tensor) = x.transpose(-3L, -2L).flatten(-2L)

    /// What attention with so many heads makes of memories [1 or B, m, width] before anyone asks. There are fewer memories
    /// than channels, so keys and values are brought to the queries' side of W_Q and W_O.
    let remembered (heads: int64) (layer: Attention) (memory: Tensor) : Memory =
        let kept (memory: Memory) : Tensor seq =
            [ memory.Asked; memory.Offset; memory.Said ]

        scopedWith kept (fun () ->
            let asking = projection 0L layer

            let perHead part =
                linear (projection part layer) memory |> splitHeads heads // [1 or B, heads, m, c]

            let keys = perHead 1L
            let keys = keys.mul (scalar (1.0 / sqrt (float keys.shape[3])))

            let offset = // [1 or B, heads, m]
                match asking.bias with
                | Some bias -> keys.matmul(bias.view (heads, -1L, 1L)).squeeze -1L
                | None -> (keys.select (3L, 0L)).zeros_like()

            {
                Asked = keys.matmul(asking.weight.unflatten (0L, [| heads; -1L |])).flatten(1L, 2L)
                Offset = offset.unsqueeze 1L
                Said =
                    (perHead 2L)
                        .matmul(layer.out_proj.weight.t().unflatten(0L, [| heads; -1L |]))
                        .flatten(1L, 2L)
            })

    /// Attention from `queries` [B, n, width] to a few memories, of which each head and query may take nothing: beside the
    /// keys stands one that is always there, with key and value 0, so the weights are π_m exp(s_m) / (1 + Σ_j π_j exp(s_j))
    /// and add up to less than 1. Memories [1 or B, m, width]; log π [m], where −∞ removes a key. → [B, n, width]
    let attend (heads: int64) (logPrior: Tensor) (layer: Attention) (queries: Tensor) (memory: Tensor) =
        scoped (fun () ->
            let memory = remembered heads layer memory

            let scores = // [B, n, heads, m]
                queries
                    .matmul(memory.Asked.transpose (1L, 2L))
                    .unflatten(2L, [| heads; -1L |])
                    .add(memory.Offset, unity)
                    .add(logPrior.``to`` queries.dtype, unity)

            let weights = // [B, n, heads, m]
                match scores.shape[3] with
                | 1L -> scores.sigmoid ()
                | several -> functional.pad(scores, [| 0L; 1L |]).softmax(-1L).narrow(-1L, 0L, several)

            let attended = weights.flatten(2L).matmul memory.Said // [B, n, width]

            match layer.out_proj.bias with
            | Some bias -> attended.add (bias, unity)
            | None -> attended)

/// What the tensors of new layers hold.
[<RequireQualifiedAccess>]
type Filling =
    /// Nothing (torch's meta device): they are shapes to load into and to count.
    | Shapes
    /// First values, drawn by a seed.
    | Drawn of Seed

/// Fillings of parts of a layer, and tensors filled.
[<RequireQualifiedAccess>]
module Filling =
    let private ofPart (seedOf: Seed -> Seed) filling =
        match filling with
        | Filling.Shapes -> Filling.Shapes
        | Filling.Drawn seed -> Filling.Drawn(seedOf seed)

    /// That of the part called `name`.
    let named (name: string) filling = ofPart (Seed.named name) filling

    /// That of the part numbered `key`.
    let split (key: int) filling = ofPart (Seed.split key) filling

    /// A float32 tensor without memory.
    let empty (shape: int64 list) : Tensor =
        torch.empty (List.toArray shape, dtype = torch.float32, device = torch.META)

    /// Whatever `draw` makes of a shape and a seed.
    let fill (draw: int64 list -> Seed -> Tensor) (shape: int64 list) filling =
        match filling with
        | Filling.Shapes -> empty shape
        | Filling.Drawn seed -> draw shape seed

/// Layers that are trained from nothing: their shapes, or first values in PyTorch's default distributions.
[<RequireQualifiedAccess>]
module Init =
    /// 1 everywhere, float32.
    let ones (shape: int64 list) = torch.ones (List.toArray shape)

    /// 0 everywhere, float32.
    let zeros (shape: int64 list) = torch.zeros (List.toArray shape)

    let private constant (make: int64 list -> Tensor) shape filling =
        Filling.fill (fun shape _ -> make shape) shape filling

    let private symmetric (bound: float) (name: string) shape filling =
        filling
        |> Filling.named name
        |> Filling.fill (SeedTensors.symmetric bound) shape

    /// U(±1/√inputs) for the weight and the bias.
    let linear (inputs: int64) (outputs: int64) filling : Linear =
        let bound = 1.0 / sqrt (float inputs)

        {
            weight = symmetric bound "weight" [ outputs; inputs ] filling
            bias = Some(symmetric bound "bias" [ outputs ] filling)
        }

    /// A linear layer that says 0 whatever it is given.
    let silent (inputs: int64) (outputs: int64) filling : Linear =
        {
            weight = constant zeros [ outputs; inputs ] filling
            bias = Some(constant zeros [ outputs ] filling)
        }

    /// Weight 1, bias 0.
    let layerNorm (width: int64) filling : LayerNorm =
        {
            weight = constant ones [ width ] filling
            bias = constant zeros [ width ] filling
        }

    /// Weight 1, bias 0.
    let groupNorm (channels: int64) filling : GroupNorm =
        {
            weight = constant ones [ channels ] filling
            bias = constant zeros [ channels ] filling
        }

    /// U(±1/√(inputs·side²)) for the weight and the bias.
    let conv2d (inputs: int64) (outputs: int64) (side: int64) filling : Conv2d =
        let bound = 1.0 / sqrt (float (inputs * side * side))

        {
            weight = symmetric bound "weight" [ outputs; inputs; side; side ] filling
            bias = Some(symmetric bound "bias" [ outputs ] filling)
        }

    /// Xavier-uniform projections, zero biases.
    let attention (width: int64) filling : Attention =
        {
            in_proj_weight = symmetric (sqrt (6.0 / float (4L * width))) "in" [ 3L * width; width ] filling
            in_proj_bias = constant zeros [ 3L * width ] filling
            out_proj =
                {
                    weight = symmetric (1.0 / sqrt (float width)) "out" [ width; width ] filling
                    bias = Some(constant zeros [ width ] filling)
                }
        }
