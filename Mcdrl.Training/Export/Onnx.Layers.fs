namespace Mcdrl

/// The layers of Layers.fs as nodes. Shapes and meaning are the same; what is computed from weights alone is computed here.
[<RequireQualifiedAccess>]
module internal OnnxLayers =
    /// x Wᵀ + b with parts or views of weights: `weight` [outputs, inputs] belongs to `leaf`, under `suffix`.
    let private affine graph suffix (leaf: Tensor, weight: Tensor) (bias: OnnxValue option) x =
        let product = OnnxOp.matmul graph x (OnnxGraph.view graph leaf suffix (weight.t ()))

        match bias with
        | Some bias -> OnnxOp.add graph product bias
        | None -> product

    /// [..., inputs] → [..., outputs]
    let linear graph (layer: Linear) (x: OnnxValue) =
        let bias = layer.bias |> Option.map (OnnxGraph.weight graph)
        affine graph "transposed" (layer.weight, layer.weight) bias x

    /// Normalises the last axis, eps 1e-5. [..., width] → [..., width]
    let layerNorm graph (layer: LayerNorm) (x: OnnxValue) =
        OnnxGraph.node
            graph
            "LayerNormalization"
            [ x; OnnxGraph.weight graph layer.weight; OnnxGraph.weight graph layer.bias ]
            [ "axis", OnnxAttribute.Integer -1L; "epsilon", OnnxAttribute.Single 1e-5f ]
            x.Shape

    /// [B, inputs, h, w] → [B, outputs, h', w'], zero padding.
    let conv2d graph stride padding (layer: Conv2d) (x: OnnxValue) =
        let bias = layer.bias |> Option.map (OnnxGraph.weight graph)
        OnnxOp.conv graph stride padding (OnnxGraph.weight graph layer.weight) bias x

    /// Batch normalisation by the stored statistics. [B, C, h, w] → [B, C, h, w]
    let batchNorm graph (eps: float) (layer: BatchNorm) (x: OnnxValue) =
        let weight = OnnxGraph.weight graph

        OnnxGraph.node
            graph
            "BatchNormalization"
            [
                x
                weight layer.weight
                weight layer.bias
                weight layer.running_mean
                weight layer.running_var
            ]
            [ "epsilon", OnnxAttribute.Single(float32 eps) ]
            x.Shape

    /// Instance normalisation with a batch normalisation's γ and β. [B, C, h, w] → [B, C, h, w]
    let batchNormByFrame graph (eps: float) (layer: BatchNorm) (x: OnnxValue) =
        OnnxGraph.node
            graph
            "InstanceNormalization"
            [ x; OnnxGraph.weight graph layer.weight; OnnxGraph.weight graph layer.bias ]
            [ "epsilon", OnnxAttribute.Single(float32 eps) ]
            x.Shape

    /// [B, C, h, w] → [B, C, h, w], eps 1e-5. Every group is an instance of InstanceNormalization: GroupNormalization
    /// has a faulty definition before opset 21.
    let groupNorm graph (groups: int64) (layer: GroupNorm) (x: OnnxValue) =
        let perChannel (leaf: Tensor) =
            OnnxGraph.view graph leaf "per_channel" (leaf.view (-1L, 1L, 1L))

        let channels, area = x.Shape[1], x.Shape[2] * x.Shape[3]

        let normed =
            let grouped = OnnxOp.reshape graph [ -1L; groups; channels / groups * area ] x

            OnnxGraph.node
                graph
                "InstanceNormalization"
                [
                    grouped
                    OnnxGraph.constant graph "ones" (Init.ones [ groups ])
                    OnnxGraph.constant graph "zeros" (Init.zeros [ groups ])
                ]
                [ "epsilon", OnnxAttribute.Single 1e-5f ]
                grouped.Shape
            |> OnnxOp.reshape graph x.Shape

        OnnxOp.add graph (OnnxOp.mul graph normed (perChannel layer.weight)) (perChannel layer.bias)

    /// The exact form, x/2·(1 + erf(x/√2)).
    let gelu graph (x: OnnxValue) =
        let number = OnnxGraph.number graph

        let error = OnnxOp.div graph x (number (sqrt 2.0)) |> OnnxOp.erf graph

        OnnxOp.mul graph (OnnxOp.mul graph x (OnnxOp.add graph error (number 1.0))) (number 0.5)

    /// x·σ(1.702x)
    let quickGelu graph (x: OnnxValue) =
        OnnxOp.mul graph x (OnnxOp.sigmoid graph (OnnxOp.mul graph x (OnnxGraph.number graph 1.702)))

    /// Unit length along the last axis; a zero vector stays zero.
    let unit graph (x: OnnxValue) =
        OnnxOp.div graph x (OnnxOp.maximum graph (OnnxOp.length graph x) (OnnxGraph.number graph 1e-12))

    /// The q, k or v part (0, 1, 2) of a packed projection applied. [..., width] → [..., width]
    let projected graph (part: int64) (layer: Attention) (x: OnnxValue) =
        let projection = projection part layer

        let bias =
            projection.bias
            |> Option.map (OnnxGraph.view graph layer.in_proj_bias $"{part}")

        affine graph $"{part}.transposed" (layer.in_proj_weight, projection.weight) bias x

    /// [B, n, width] → [B, heads, n, width / heads]
    let splitHeads graph (heads: int64) (x: OnnxValue) =
        x
        |> OnnxOp.reshape graph [ x.Shape[0]; x.Shape[1]; heads; x.Shape[2] / heads ]
        |> OnnxOp.permute graph [ 0; 2; 1; 3 ]

    /// [B, heads, n, width / heads] → [B, n, width]
    let mergeHeads graph (x: OnnxValue) =
        x
        |> OnnxOp.permute graph [ 0; 2; 1; 3 ]
        |> OnnxOp.reshape graph [ x.Shape[0]; x.Shape[2]; x.Shape[1] * x.Shape[3] ]

    /// softmax(q kᵀ / √d). q [B, heads, n, d], kᵀ [B, heads, d, m] → [B, heads, n, m]
    let weights graph (queries: OnnxValue) (keysTransposed: OnnxValue) =
        let scale = 1.0 / sqrt (float queries.Shape[3])

        OnnxOp.mul graph (OnnxOp.matmul graph queries keysTransposed) (OnnxGraph.number graph scale)
        |> OnnxOp.softmax graph -1L

    /// [B, heads, m, d] → [B, heads, d, m]
    let turned graph (x: OnnxValue) = OnnxOp.permute graph [ 0; 1; 3; 2 ] x

    /// Scaled dot-product attention. `queries` [B, n, width], `memory` [B, m, width] → [B, n, width]
    let attend graph (heads: int64) (layer: Attention) (queries: OnnxValue) (memory: OnnxValue) =
        let part number x =
            projected graph number layer x |> splitHeads graph heads

        let attention = weights graph (part 0L queries) (turned graph (part 1L memory))

        OnnxOp.matmul graph attention (part 2L memory)
        |> mergeHeads graph
        |> linear graph layer.out_proj
