namespace Mcdrl

open TorchSharp

/// An image on its way through MCDRL as values of the graph, see `Observation`.
[<RequireQualifiedAccess>]
type internal OnnxObservation =
    {
        /// C, [B, H, W, d].
        Dense: OnnxValue
        /// The selected cells, [B, N], in no particular order: A looks at every region by itself.
        Cells: OnnxValue
        /// F, and what else the head reads, [B, N + 0 to 2, d].
        Rows: OnnxValue
        /// The patterns of the skip maps, coarse to fine, [B, hidden, H, W].
        Patterns: OnnxValue list
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

    /// Attention to confounders that come in `sets` of which each row is asked by itself, see `Layers.attend`.
    /// x [sets or 1, B, N, d], Z [sets, m, d], log π [m] → [sets, B, N, d]
    let private attended graph (logPrior: Tensor) (layer: CausalLayer) (confounders: Tensor) (x: OnnxValue) =
        let width = List.last x.Shape
        let heads = Intervention.heads width
        let memory = remembered heads layer.attn confounders

        let constant name (value: Tensor) =
            OnnxGraph.constant graph $"network.intervention.{name}" value

        let scores = // [sets, B, N, heads·m]
            OnnxLayers.layerNorm graph layer.ln_1 x
            |> fun queries ->
                OnnxOp.matmul graph queries (memory.Asked.transpose(1L, 2L).unsqueeze 1L |> constant "asked")
            |> OnnxOp.add
                graph
                (memory.Offset.add(logPrior.``to`` memory.Offset.dtype, unity).flatten(2L).unsqueeze 1L
                 |> constant "offset")

        let weights =
            match confounders.shape[1] with
            | 1L -> OnnxOp.sigmoid graph scores
            | several ->
                let apart = OnnxOp.reshape graph (scores.Shape[..2] @ [ heads; several ]) scores

                let resting =
                    OnnxOp.mul graph (OnnxOp.narrow graph 4 0L 1L apart) (OnnxGraph.number graph 0.0)

                OnnxOp.concat graph 4 [ apart; resting ]
                |> OnnxOp.softmax graph -1L
                |> OnnxOp.narrow graph 4 0L several
                |> OnnxOp.reshape graph scores.Shape

        let said = OnnxOp.matmul graph weights (memory.Said.unsqueeze 1L |> constant "said")

        layer.attn.out_proj.bias
        |> Option.map (OnnxGraph.weight graph >> OnnxOp.add graph said)
        |> Option.defaultValue said

    /// A(F, Z) of every set of confounders. Rows [B, N, d], Z [sets, m, d] → [sets, B, N, d]
    let private apply graph (network: Intervention) logPrior (confounders: Tensor) (rows: OnnxValue) =
        let confounders = Intervention.directions confounders

        let step x (layer: CausalLayer) =
            attended graph logPrior layer confounders x
            |> OnnxOp.add graph x
            |> feedForward graph layer

        OnnxOp.reshape graph (1L :: -1L :: rows.Shape[1..]) rows
        |> fun x -> List.fold step x network.layers

    /// A(F, z_m) for every m. Rows [B, N, d], Z [M, d] → [M, B, N, d]
    let underEach graph (network: Intervention) (conditions: Tensor) (rows: OnnxValue) =
        apply graph network (torch.zeros 1L) (conditions.unsqueeze 1L) rows

    /// A(F, Z), Eq. 8. Rows [B, N, d], Z [M, d], log π [M] → [B, N, d]
    let byAttention graph (network: Intervention) (logPrior: Tensor) (conditions: Tensor) (rows: OnnxValue) =
        apply graph network logPrior (conditions.unsqueeze 0L) rows
        |> OnnxOp.reshape graph (-1L :: rows.Shape[1..])

/// The head, see `Head` and `TextClasses`. Maps come `copies` times for each image, copy by copy.
[<RequireQualifiedAccess>]
module internal OnnxHead =
    /// A skip map as its refinement reads it, see `Refinement.details`: its pattern [B, hidden, H, W] and its
    /// style [B, 2·hidden].
    let detail graph (refinement: Refinement, skip: OnnxValue) =
        let lateral = OnnxLayers.conv2d graph 1L 0L refinement.lateral skip
        let hidden = lateral.Shape[1]

        let mean x =
            OnnxOp.mean graph [ 2; 3 ] x |> OnnxOp.reshape graph [ -1L; hidden; 1L; 1L ]

        let middle = mean lateral
        let centred = OnnxOp.sub graph lateral middle
        let variance = OnnxOp.mul graph centred centred |> mean

        let deviation =
            OnnxOp.add graph variance (OnnxGraph.number graph 1e-5)
            |> OnnxOp.squareRoot graph

        OnnxOp.div graph centred deviation,
        OnnxOp.concat graph 1 [ middle; OnnxOp.log graph deviation ]
        |> OnnxOp.reshape graph [ -1L; 2L * hidden ]

    let private refine graph (copies: int64) style x (refinement: Refinement, pattern: OnnxValue) =
        let hidden = pattern.Shape[1]

        let stated = // [copies, B, 2·hidden, 1, 1]
            OnnxLayers.linear graph refinement.style style
            |> OnnxOp.reshape graph [ copies; -1L; 2L * hidden; 1L; 1L ]

        let lateral = // [copies, B, hidden, H, W]
            OnnxOp.add graph (OnnxOp.narrow graph 2 0L hidden stated) (OnnxGraph.number graph 1.0)
            |> OnnxOp.mul graph (OnnxOp.reshape graph (1L :: pattern.Shape) pattern)
            |> OnnxOp.add graph (OnnxOp.narrow graph 2 hidden hidden stated)

        OnnxOp.resized graph pattern.Shape[2] pattern.Shape[3] x
        |> OnnxOp.add graph (OnnxOp.reshape graph pattern.Shape lateral)
        |> OnnxLayers.conv2d graph 1L 1L refinement.conv
        |> OnnxLayers.groupNorm graph (Refinement.groups x.Shape[1]) refinement.norm
        |> OnnxLayers.gelu graph

    /// Map [copies·B, H, W, d], style [copies·B, d] → [copies·B, K + 1, S, S]
    let logits graph copies (head: Head) (side: int64) (patterns: OnnxValue list) style (map: OnnxValue) =
        let coarse =
            OnnxLayers.layerNorm graph head.ln map
            |> OnnxOp.permute graph [ 0; 3; 1; 2 ]
            |> OnnxLayers.conv2d graph 1L 1L head.conv_1
            |> OnnxLayers.gelu graph

        List.zip head.refinements patterns
        |> List.fold (refine graph copies style) coarse
        |> OnnxLayers.conv2d graph 1L 0L head.conv_2
        |> OnnxOp.resized graph side side

    /// What the texts say, see `TextClasses.evidence`. Prompts [1, K + 1, d], image [copies·B, d], map [copies·B, H, W, d]
    /// → [copies·B, K + 1, H, W]
    let evidence graph (weights: TextClasses) (prompts: Tensor) (image: OnnxValue) (map: OnnxValue) =
        let scaled x =
            OnnxOp.div
                graph
                (OnnxRegions.similarity graph prompts x)
                (OnnxGraph.number graph TextClasses.temperature)

        let cells = scaled map
        let count = cells.Shape[3] - 1L
        let lesions x = OnnxOp.narrow graph 3 1L count x

        let weighed weight x =
            OnnxOp.mul graph x (OnnxGraph.weight graph weight)

        let image = OnnxOp.reshape graph [ -1L; 1L; 1L; image.Shape[1] ] image |> scaled

        let found = // log Σ exp, of numbers of at most 1 / 0.07
            lesions cells
            |> OnnxOp.exp graph
            |> OnnxOp.sum graph [ 3 ]
            |> OnnxOp.log graph
            |> OnnxOp.reshape graph (cells.Shape[..2] @ [ 1L ])

        let lesion =
            OnnxOp.sub graph found (OnnxOp.narrow graph 3 0L 1L cells)
            |> weighed weights.lesion

        let classes =
            OnnxOp.add graph (lesions cells |> weighed weights.cells) (lesions image |> weighed weights.image)

        OnnxOp.concat graph 3 [ lesion; classes ] |> OnnxOp.permute graph [ 0; 3; 1; 2 ]

    /// P(k) = P(lesion) P(k | lesion), see `TextClasses.split`. Logits [B', 2, S, S], what the texts say [B', K + 1, S, S]
    /// → [B', K + 1, S, S]
    let split graph (read: OnnxValue) (evidence: OnnxValue) =
        let classes =
            OnnxOp.narrow graph 1 1L (evidence.Shape[1] - 1L) evidence
            |> OnnxOp.logSoftmax graph 1L

        let lesion =
            OnnxOp.add graph (OnnxOp.narrow graph 1 1L 1L read) (OnnxOp.narrow graph 1 0L 1L evidence)

        OnnxOp.concat graph 1 [ OnnxOp.narrow graph 1 0L 1L read; OnnxOp.add graph lesion classes ]
