namespace Mcdrl

open TorchSharp

/// An image on its way through MCDRL as values of the graph, see `Observation`.
[<RequireQualifiedAccess>]
type internal OnnxObservation =
    {
        /// C, [B, H, W, d].
        Dense: OnnxValue
        /// F_vis, [B, d].
        Image: OnnxValue
        /// The selected cells, [B, N], in no particular order: A looks at every region by itself.
        Cells: OnnxValue
        /// F, [B, N, d].
        Regions: OnnxValue
        Skips: OnnxValue list
    }

/// MTRS, see `Regions`.
[<RequireQualifiedAccess>]
module internal OnnxRegions =
    /// Cosines. [..., d] and texts [1, K, d] → [..., K]
    let similarity graph (texts: Tensor) (x: OnnxValue) =
        let direction = OnnxLayers.unit graph x
        let texts = OnnxGraph.view graph texts "unit" ((unit texts).squeeze(0L).t()) // [d, K]
        OnnxOp.matmul graph direction texts

    /// The N cells that the texts point at. [B, H, W, K] → [B, N]
    let select graph (alpha: float) (similarity: OnnxValue) =
        let cells = similarity.Shape[1] * similarity.Shape[2]

        OnnxOp.largest graph [ 3 ] similarity
        |> OnnxOp.reshape graph [ -1L; cells ]
        |> OnnxOp.topIndices graph (Regions.count alpha cells)

    /// The number of rows of a map of `area` cells, for `copies` of B images. → [1]
    let private count graph (copies: int64) (area: int64) (cells: OnnxValue) =
        OnnxOp.mul graph (OnnxOp.firstSize graph cells) (OnnxGraph.integers graph [ copies * area ])

    /// Where the cells of each image lie among the rows of all copies of all maps. [B, N] → [copies, B, N]
    let private rowNumbers graph (copies: int64) (area: int64) (cells: OnnxValue) =
        let starts =
            OnnxOp.mul
                graph
                (OnnxOp.range graph (count graph copies 1L cells))
                (OnnxGraph.integers graph [ area ])

        OnnxOp.add graph (OnnxOp.reshape graph [ copies; -1L; 1L ] starts) cells

    /// F. [B, H, W, d] → [B, N, d]
    let gather graph (cells: OnnxValue) (dense: OnnxValue) =
        let area, width = dense.Shape[1] * dense.Shape[2], dense.Shape[3]
        let index = rowNumbers graph 1L area cells

        OnnxOp.reshape graph [ -1L; width ] dense
        |> OnnxOp.rows graph (OnnxOp.reshape graph [ -1L; cells.Shape[1] ] index)

    /// What the cells hold that were not selected, as rows. → [copies·B·H·W, d]
    let private unselected graph (copies: int64) (background: Tensor option) (observation: OnnxObservation) =
        let dense = observation.Dense
        let area, width = dense.Shape[1] * dense.Shape[2], dense.Shape[3]

        match background with
        | Some vector ->
            let sizes =
                OnnxOp.concat
                    graph
                    0
                    [ count graph copies area observation.Cells; OnnxGraph.integers graph [ 1L ] ]

            OnnxGraph.view graph vector "row" (vector.view (1L, width))
            |> OnnxOp.expand graph sizes [ -1L; width ]
        | None ->
            OnnxOp.reshape graph [ 1L; -1L; width ] dense
            |> OnnxOp.expand graph (OnnxGraph.integers graph [ copies; 1L; 1L ]) [ copies; -1L; width ]
            |> OnnxOp.reshape graph [ -1L; width ]

    /// The map that the head reads, `copies` times B of them: the regions at their cells, and what the others hold.
    /// [copies·B, N, d] → [copies·B, H, W, d]
    let scatter graph copies background (observation: OnnxObservation) (regions: OnnxValue) =
        let rows, columns, width =
            observation.Dense.Shape[1], observation.Dense.Shape[2], observation.Dense.Shape[3]

        let index =
            rowNumbers graph copies (rows * columns) observation.Cells
            |> OnnxOp.reshape graph [ -1L; 1L ]

        unselected graph copies background observation
        |> OnnxOp.withRows graph index (OnnxOp.reshape graph [ -1L; width ] regions)
        |> OnnxOp.reshape graph [ -1L; rows; columns; width ]

/// The intervention network, see `Intervention`. The dictionary is a constant, and so is all that comes of it alone.
[<RequireQualifiedAccess>]
module internal OnnxIntervention =
    let private feedForward graph (layer: CausalLayer) x =
        OnnxLayers.layerNorm graph layer.ln_2 x
        |> OnnxLayers.linear graph layer.c_fc
        |> OnnxLayers.gelu graph
        |> OnnxLayers.linear graph layer.c_proj
        |> OnnxOp.add graph x

    /// A(F, z_m) for every m. Attention to a dictionary of one gives its value whatever the query, so all that is left of
    /// it is a vector a condition. F [B, N, d], Z [M, d] → [M, B, N, d]
    let underEach graph (network: Intervention) (conditions: Tensor) (regions: OnnxValue) =
        let confounders, count, width =
            conditions.shape[0], regions.Shape[1], regions.Shape[2]

        let step x (layer: CausalLayer) =
            (linear (projection 2L layer.attn) --> linear layer.attn.out_proj) conditions
            |> _.view(confounders, 1L, 1L, width)
            |> OnnxGraph.constant graph "network.intervention.attended"
            |> OnnxOp.add graph x
            |> feedForward graph layer

        OnnxOp.reshape graph [ 1L; -1L; count; width ] regions
        |> fun x -> List.fold step x network.layers

    /// A(F, Z), Eq. 8. F [B, N, d], Z [M, d], log π [M] → [B, N, d]
    let byAttention
        graph
        (network: Intervention)
        (logPrior: Tensor)
        (conditions: Tensor)
        (regions: OnnxValue)
        =
        let heads = Intervention.heads regions.Shape[2]

        let ofDictionary part name (layer: CausalLayer) (order: Tensor -> Tensor) =
            linear (projection part layer.attn) (conditions.unsqueeze 0L)
            |> splitHeads heads
            |> order
            |> OnnxGraph.constant graph $"network.intervention.{name}"

        let bias = OnnxGraph.weight graph logPrior

        let step x (layer: CausalLayer) =
            let queries =
                OnnxLayers.layerNorm graph layer.ln_1 x
                |> OnnxLayers.projected graph 0L layer.attn
                |> OnnxLayers.splitHeads graph heads

            let keys = ofDictionary 1L "keys" layer _.transpose(-2L, -1L)
            let values = ofDictionary 2L "values" layer id

            OnnxOp.matmul graph (OnnxLayers.weights graph (Some bias) queries keys) values
            |> OnnxLayers.mergeHeads graph
            |> OnnxLayers.linear graph layer.attn.out_proj
            |> OnnxOp.add graph x
            |> feedForward graph layer

        List.fold step regions network.layers

/// The head, see `Head` and `TextClasses`. Maps come `copies` times for each image, copy by copy.
[<RequireQualifiedAccess>]
module internal OnnxHead =
    /// x [copies·B, ...] plus what belongs to the B images themselves.
    let private addToCopies graph (copies: int64) (own: OnnxValue) (x: OnnxValue) =
        if copies = 1L then
            OnnxOp.add graph x own
        else
            let apart = OnnxOp.reshape graph (copies :: x.Shape) x
            OnnxOp.add graph apart own |> OnnxOp.reshape graph x.Shape

    let private refine graph copies x (refinement: Refinement, skip: OnnxValue) =
        let lateral =
            OnnxLayers.groupNorm graph (Refinement.groups skip.Shape[1]) refinement.skip_norm skip
            |> OnnxLayers.conv2d graph 1L 0L refinement.lateral

        OnnxOp.resized graph skip.Shape[2] skip.Shape[3] x
        |> addToCopies graph copies lateral
        |> OnnxLayers.conv2d graph 1L 1L refinement.conv
        |> OnnxLayers.groupNorm graph (Refinement.groups x.Shape[1]) refinement.norm
        |> OnnxLayers.gelu graph

    /// [copies·B, H, W, d] → [copies·B, K + 1, S, S]
    let logits graph copies (head: Head) (side: int64) (skips: OnnxValue list) (map: OnnxValue) =
        let coarse =
            OnnxLayers.layerNorm graph head.ln map
            |> OnnxOp.permute graph [ 0; 3; 1; 2 ]
            |> OnnxLayers.conv2d graph 1L 1L head.conv_1
            |> OnnxLayers.gelu graph

        let used = skips |> List.rev |> List.truncate head.refinements.Length

        List.zip head.refinements used
        |> List.fold (refine graph copies) coarse
        |> OnnxLayers.conv2d graph 1L 0L head.conv_2
        |> OnnxOp.resized graph side side

    /// Scores of the classes by their texts. Map [copies·B, H, W, d], image [B, d] → [copies·B, K, H, W]
    let textScores graph copies (weights: TextClasses) (texts: Tensor) (image: OnnxValue) (map: OnnxValue) =
        let weighed weight x =
            OnnxOp.mul graph (OnnxRegions.similarity graph texts x) (OnnxGraph.weight graph weight)

        let whole =
            OnnxOp.reshape graph [ -1L; 1L; 1L; image.Shape[1] ] image
            |> weighed weights.image

        let sum = weighed weights.cells map |> addToCopies graph copies whole

        OnnxOp.div graph sum (OnnxGraph.number graph TextClasses.temperature)
        |> OnnxOp.permute graph [ 0; 3; 1; 2 ]

    /// P(k) = P(lesion) P(k | lesion). Logits [B', 2, S, S], scores [B', K, S, S] → [B', K + 1, S, S]
    let split graph (lesion: OnnxValue) (scores: OnnxValue) =
        let classes =
            OnnxOp.add graph (OnnxOp.narrow graph 1 1L 1L lesion) (OnnxOp.logSoftmax graph 1L scores)

        OnnxOp.concat graph 1 [ OnnxOp.narrow graph 1 0L 1L lesion; classes ]
