namespace Mcdrl

open System

/// Operations of ONNX, opset 18, that a segmenter is made of. Each adds a node and says what shape comes out.
[<RequireQualifiedAccess>]
module internal OnnxOp =
    /// The opset that these nodes are written for.
    let opset = 18L

    let private whole (values: int64 list) = OnnxAttribute.Integers values

    let private broadcast (a: int64 list) (b: int64 list) =
        let rank = max a.Length b.Length

        let padded (shape: int64 list) =
            List.replicate (rank - shape.Length) 1L @ shape

        List.map2 (fun m n -> if m = 1L then n else m) (padded a) (padded b)

    let private binary op graph (a: OnnxValue) (b: OnnxValue) =
        OnnxGraph.node graph op [ a; b ] [] (broadcast a.Shape b.Shape)

    let private unary op graph (x: OnnxValue) =
        OnnxGraph.node graph op [ x ] [] x.Shape

    /// Sum of two values; shapes broadcast as in torch, here and below.
    let add graph a b = binary "Add" graph a b

    let sub graph a b = binary "Sub" graph a b
    let mul graph a b = binary "Mul" graph a b
    let div graph a b = binary "Div" graph a b
    let maximum graph a b = binary "Max" graph a b
    let relu graph x = unary "Relu" graph x
    let sigmoid graph x = unary "Sigmoid" graph x
    let erf graph x = unary "Erf" graph x
    let exp graph x = unary "Exp" graph x
    let log graph x = unary "Log" graph x
    let squareRoot graph x = unary "Sqrt" graph x

    /// [..., n, k] and [..., k, m] → [..., n, m]
    let matmul graph (a: OnnxValue) (b: OnnxValue) =
        let split (shape: int64 list) = List.splitAt (shape.Length - 2) shape
        let outerA, innerA = split a.Shape
        let outerB, innerB = split b.Shape

        OnnxGraph.node graph "MatMul" [ a; b ] [] (broadcast outerA outerB @ [ innerA[0]; innerB[1] ])

    let private along op graph (axis: int64) (x: OnnxValue) =
        OnnxGraph.node graph op [ x ] [ "axis", OnnxAttribute.Integer axis ] x.Shape

    let softmax graph axis x = along "Softmax" graph axis x
    let logSoftmax graph axis x = along "LogSoftmax" graph axis x

    /// The same values in another shape, of which one axis may be −1.
    let reshape graph (shape: int64 list) (x: OnnxValue) =
        if x.Shape = shape then
            x
        else
            OnnxGraph.node graph "Reshape" [ x; OnnxGraph.integers graph shape ] [] shape

    let permute graph (order: int list) (x: OnnxValue) =
        OnnxGraph.node
            graph
            "Transpose"
            [ x ]
            [ "perm", whole (List.map int64 order) ]
            [ for axis in order -> x.Shape[axis] ]

    let concat graph (axis: int) (parts: OnnxValue list) =
        OnnxGraph.node
            graph
            "Concat"
            parts
            [ "axis", OnnxAttribute.Integer(int64 axis) ]
            (parts.Head.Shape
             |> List.updateAt axis (parts |> List.sumBy (fun part -> part.Shape[axis])))

    /// `count` positions of an axis from `first` on.
    let narrow graph (axis: int) (first: int64) (count: int64) (x: OnnxValue) =
        let at value = OnnxGraph.integers graph [ value ]

        OnnxGraph.node
            graph
            "Slice"
            [ x; at first; at (first + count); at (int64 axis) ]
            []
            (List.updateAt axis count x.Shape)

    /// The axes turned round.
    let mirrored graph (axes: int list) (x: OnnxValue) =
        let each value =
            OnnxGraph.integers graph [ for _ in axes -> value ]

        OnnxGraph.node
            graph
            "Slice"
            [
                x
                each -1L
                each Int64.MinValue
                OnnxGraph.integers graph (List.map int64 axes)
                each -1L
            ]
            []
            x.Shape

    let private reduce op keep graph (axes: int list) (x: OnnxValue) =
        let shape =
            [
                for axis, size in List.indexed x.Shape do
                    if not (List.contains axis axes) then
                        size
                    elif keep then
                        1L
            ]

        OnnxGraph.node
            graph
            op
            [ x; OnnxGraph.integers graph (List.map int64 axes) ]
            [ "keepdims", OnnxAttribute.Integer(if keep then 1L else 0L) ]
            shape

    /// Sum over some axes, which disappear; likewise `mean` and `largest`.
    let sum graph axes x = reduce "ReduceSum" false graph axes x

    let mean graph axes x = reduce "ReduceMean" false graph axes x
    let largest graph axes x = reduce "ReduceMax" false graph axes x

    /// Euclidean length over the last axis, which stays with size 1.
    let length graph (x: OnnxValue) =
        reduce "ReduceL2" true graph [ x.Shape.Length - 1 ] x

    /// How many positions the first axis has, as whole numbers along one axis.
    let firstSize graph (x: OnnxValue) =
        OnnxGraph.node
            graph
            "Shape"
            [ x ]
            [ "start", OnnxAttribute.Integer 0L; "end", OnnxAttribute.Integer 1L ]
            [ 1L ]

    /// `x` repeated along its axes of size 1 to the sizes that `sizes` holds, which broadcast with x's own.
    let expand graph (sizes: OnnxValue) (shape: int64 list) (x: OnnxValue) =
        OnnxGraph.node graph "Expand" [ x; sizes ] [] shape

    /// The rows of `table` [rows, d] at `index` [...]. → [..., d]
    let rows graph (index: OnnxValue) (table: OnnxValue) =
        OnnxGraph.node
            graph
            "Gather"
            [ table; index ]
            [ "axis", OnnxAttribute.Integer 0L ]
            (index.Shape @ [ table.Shape[1] ])

    /// `table` [rows, d] with the rows at `index` [n, 1] replaced by `values` [n, d].
    let withRows graph (index: OnnxValue) (values: OnnxValue) (table: OnnxValue) =
        OnnxGraph.node graph "ScatterND" [ table; index; values ] [] table.Shape

    /// Where the `count` largest of the last axis stand, the largest first, ties to the lower index. [..., n] → [..., count]
    let topIndices graph (count: int64) (x: OnnxValue) =
        OnnxGraph.nodeOfSecond
            graph
            "TopK"
            [ x; OnnxGraph.integers graph [ count ] ]
            [ "axis", OnnxAttribute.Integer -1L ]
            (List.updateAt (x.Shape.Length - 1) count x.Shape)

    /// 0, 1, 2, ... up to the whole number that `count` [1] holds, exclusive. → [−1]
    let range graph (count: OnnxValue) =
        let flat x =
            OnnxGraph.node graph "Squeeze" [ x ] [] []

        let number value =
            flat (OnnxGraph.integers graph [ value ])

        OnnxGraph.node graph "Range" [ number 0L; flat count; number 1L ] [] [ -1L ]

    let private windows size stride padding (x: OnnxValue) =
        [ for extent in x.Shape[2..] -> (extent + 2L * padding - size) / stride + 1L ]

    let private geometry (size: int64) (stride: int64) (padding: int64) =
        [
            "kernel_shape", whole [ size; size ]
            "strides", whole [ stride; stride ]
            "pads", whole (List.replicate 4 padding)
        ]

    /// Convolution with a kernel [outputs, inputs, size, size] and perhaps a bias [outputs]. [B, inputs, h, w] →
    /// [B, outputs, h', w']
    let conv
        graph
        (stride: int64)
        (padding: int64)
        (kernel: OnnxValue)
        (bias: OnnxValue option)
        (x: OnnxValue)
        =
        let size = kernel.Shape[3]

        OnnxGraph.node
            graph
            "Conv"
            (x :: kernel :: Option.toList bias)
            (geometry size stride padding)
            (x.Shape[0] :: kernel.Shape[0] :: windows size stride padding x)

    /// Means of 2 × 2 squares. [B, C, h, w] → [B, C, h/2, w/2]
    let halved graph (x: OnnxValue) =
        OnnxGraph.node graph "AveragePool" [ x ] (geometry 2L 2L 0L) (x.Shape[..1] @ windows 2L 2L 0L x)

    let maxPool graph size stride padding (x: OnnxValue) =
        OnnxGraph.node
            graph
            "MaxPool"
            [ x ]
            (geometry size stride padding)
            (x.Shape[..1] @ windows size stride padding x)

    /// Bilinear, half-pixel centres, edges held: torch's interpolation without align_corners. [B, C, h, w] →
    /// [B, C, height, width]
    let resized graph (height: int64) (width: int64) (x: OnnxValue) =
        if x.Shape[2..] = [ height; width ] then
            x
        else
            // Inputs 1 and 2, a region of interest and scales, are left out: sizes say it all.
            let none: OnnxValue = { Name = ""; Shape = [] }

            OnnxGraph.node
                graph
                "Resize"
                [ x; none; none; OnnxGraph.integers graph [ height; width ] ]
                [
                    "axes", whole [ 2L; 3L ]
                    "mode", OnnxAttribute.Text "linear"
                    "coordinate_transformation_mode", OnnxAttribute.Text "half_pixel"
                ]
                (x.Shape[..1] @ [ height; width ])
