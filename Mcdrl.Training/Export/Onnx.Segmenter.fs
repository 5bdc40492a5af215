namespace Mcdrl

open TorchSharp

/// What the graph of a segmenter answers. S is the side of the input, K the number of classes.
[<RequireQualifiedAccess>]
type internal OnnxAnswer =
    {
        /// P(Y | do(F)), [B, K + 1, S, S].
        Probabilities: OnnxValue
        /// I(Y; Z | F) [B, S, S] and the influence of each condition [B, M], for modes that look at single conditions.
        Comparison: (OnnxValue * OnnxValue) option
    }

/// From the answers under single conditions, logits [M, B, K + 1, S, S], to what the conditions say together: `Backdoor` and
/// `Disagreement`.
[<RequireQualifiedAccess>]
module internal OnnxBackdoor =
    /// Σ_m π_m x_m. [M, B, ...] → [B, ...]
    let expectation graph (logPrior: Tensor) (x: OnnxValue) =
        let prior = OnnxGraph.view graph logPrior "prior" ((logPrior.exp ()).unsqueeze 0L)

        OnnxOp.matmul graph prior (OnnxOp.reshape graph [ x.Shape[0]; -1L ] x)
        |> OnnxOp.reshape graph x.Shape[1..]

    /// Never log 0: the floor that `Disagreement` puts under probabilities.
    let private least = 1e-12

    /// Σ_m π_m p_m, I(Y; Z | F) and the mean of KL(p_m ‖ Σ π p) over pixels. Logits [M, B, K + 1, S, S] →
    /// [B, K + 1, S, S], [B, S, S] and [B, M]
    let compare graph logPrior (logits: OnnxValue) =
        let number = OnnxGraph.number graph
        let expected = expectation graph logPrior
        let logs = OnnxOp.logSoftmax graph 2L logits
        let each = OnnxOp.exp graph logs
        let mixed = expected each

        let logMixed = OnnxOp.maximum graph mixed (number least) |> OnnxOp.log graph

        let ofMixed = OnnxOp.mul graph mixed logMixed |> OnnxOp.sum graph [ 1 ]

        let ofEach =
            OnnxOp.maximum graph logs (number (log least))
            |> OnnxOp.mul graph each
            |> OnnxOp.sum graph [ 2 ]

        let information =
            OnnxOp.maximum graph (OnnxOp.sub graph (expected ofEach) ofMixed) (number 0.0)

        let divergence =
            OnnxOp.mul graph each (OnnxOp.sub graph logs logMixed)
            |> OnnxOp.sum graph [ 2 ]
            |> fun sum -> OnnxOp.maximum graph sum (number 0.0)

        let influence =
            OnnxOp.mean graph [ 2; 3 ] divergence |> OnnxOp.permute graph [ 1; 0 ]

        mixed, information, influence

/// The whole segmenter as a graph.
[<RequireQualifiedAccess>]
module internal OnnxSegmenter =
    let private aligned graph (network: Network) x =
        network.projection
        |> Option.map (fun projection -> OnnxLayers.linear graph projection x)
        |> Option.defaultValue x

    /// Dense map, selected regions and what else the head reads, see `Network.observe`.
    let private observe graph (model: Model) (features: OnnxFeatures) : OnnxObservation =
        let network = model.Network
        let dense = aligned graph network features.Dense

        let asRow (x: OnnxValue) =
            OnnxOp.reshape graph [ -1L; 1L; dense.Shape[3] ] x

        let cells =
            OnnxRegions.similarity graph model.Texts.classes dense
            |> OnnxRegions.select graph model.Manifest.Settings.Method.Alpha

        let refinements = network.head.refinements
        let used = features.Skips |> List.rev |> List.truncate refinements.Length

        let patterns, styles =
            List.zip refinements used |> List.map (OnnxHead.detail graph) |> List.unzip

        {
            Dense = dense
            Cells = cells
            Rows =
                OnnxOp.concat
                    graph
                    1
                    [
                        OnnxRegions.gather graph cells dense
                        if network.text_classes.IsSome then
                            aligned graph network features.Image |> asRow
                        for style in Option.toList network.style do
                            OnnxOp.concat graph 1 styles |> OnnxLayers.linear graph style |> asRow
                    ]
            Patterns = patterns
        }

    /// H, see `Network.logits`. [copies·B, N + 0 to 2, d] → [copies·B, K + 1, S, S]
    let private logits graph (model: Model) (observation: OnnxObservation) copies (rows: OnnxValue) =
        let network = model.Network
        let side = int64 model.Manifest.Preprocessing.InputSize
        let count = observation.Cells.Shape[1]

        let row index =
            OnnxOp.narrow graph 1 index 1L rows
            |> OnnxOp.reshape graph [ -1L; rows.Shape[2] ]

        let map =
            OnnxOp.narrow graph 1 0L count rows
            |> OnnxRegions.scatter graph copies network.background observation

        let style = row (rows.Shape[1] - 1L)

        let read =
            OnnxHead.logits graph copies network.head side observation.Patterns style map

        match network.text_classes with
        | None -> read
        | Some weights ->
            OnnxHead.evidence graph weights (Texts.prompts model.Texts) (row count) map
            |> OnnxOp.resized graph side side
            |> OnnxHead.split graph read

    /// H of the rows under each condition. [M, B, N + 0 to 2, d] → [M, B, K + 1, S, S]
    let private logitsUnderEach graph model observation (rows: OnnxValue) =
        let copies = rows.Shape[0]

        let all =
            OnnxOp.reshape graph (-1L :: rows.Shape[2..]) rows
            |> logits graph model observation copies

        OnnxOp.reshape graph (copies :: all.Shape) all

    /// P(Y | do(F)) in the given mode, and what comparing the conditions tells.
    let private answer graph (model: Model) mode (observation: OnnxObservation) : OnnxAnswer =
        let network, texts = model.Network.intervention, model.Texts
        let once = logits graph model observation 1L >> OnnxOp.softmax graph 1L

        let underEach () =
            OnnxIntervention.underEach graph network texts.conditions observation.Rows

        let without probabilities : OnnxAnswer =
            {
                Probabilities = probabilities
                Comparison = None
            }

        match Gate.through model.Manifest.Active mode with
        | Marginalisation.Rendered
        | Marginalisation.Never -> without (once observation.Rows)
        | Marginalisation.Attention ->
            OnnxIntervention.byAttention graph network texts.log_prior texts.conditions observation.Rows
            |> once
            |> without
        | Marginalisation.FeatureMean
        | Marginalisation.Sampled ->
            OnnxBackdoor.expectation graph texts.log_prior (underEach ()) |> once |> without
        | Marginalisation.Exact ->
            let each = underEach () |> logitsUnderEach graph model observation
            let mixed, information, influence = OnnxBackdoor.compare graph texts.log_prior each

            {
                Probabilities = mixed
                Comparison = Some(information, influence)
            }
        | Marginalisation.Custom -> invalidArg "mode" "custom is a function, which no graph can hold"
        | Marginalisation.Nwgm ->
            let each = underEach () |> logitsUnderEach graph model observation
            let _, information, influence = OnnxBackdoor.compare graph texts.log_prior each

            {
                Probabilities = OnnxBackdoor.expectation graph texts.log_prior each |> OnnxOp.softmax graph 1L
                Comparison = Some(information, influence)
            }

    /// Levels in [0, 1] to what the tower expects. [B, 3, S, S]
    let private normalised graph (preprocessing: Preprocessing) (image: OnnxValue) =
        let channel name (values: float list) =
            (torch.tensor (values |> List.map float32 |> List.toArray)).view(3L, 1L, 1L)
            |> OnnxGraph.constant graph $"preprocessing.{name}"

        OnnxOp.div
            graph
            (OnnxOp.sub graph image (channel "mean" preprocessing.Mean))
            (channel "std" preprocessing.Std)

    /// What is said of the frame and of its mirror images as one, as `Mirrored` has it. Weights are shared.
    let private overImages graph (flips: Flips option) (answer: OnnxValue -> OnnxAnswer) (image: OnnxValue) =
        let mirrors =
            match flips with
            | None -> []
            | Some Flips.Horizontal -> [ [ 2 ] ]
            | Some Flips.Both -> [ [ 2 ]; [ 1 ]; [ 1; 2 ] ]

        // Axes counted from the end: 1 the rows, 2 the columns.
        let mirrored places (x: OnnxValue) =
            OnnxOp.mirrored graph [ for place in places -> x.Shape.Length - 3 + place ] x

        let first = answer image

        let others = [ for places in mirrors -> places, answer (mirrored places image) ]

        let mean (own: OnnxValue) found =
            found
            |> List.fold (OnnxOp.add graph) own
            |> fun sum -> OnnxOp.mul graph sum (OnnxGraph.number graph (1.0 / float (1 + others.Length)))

        if others.IsEmpty then
            first
        else
            let comparisons =
                [
                    for places, answer in others ->
                        answer.Comparison |> Option.map (fun found -> places, found)
                ]

            {
                Probabilities =
                    mean
                        first.Probabilities
                        [ for places, answer in others -> mirrored places answer.Probabilities ]
                Comparison =
                    first.Comparison
                    |> Option.map (fun (information, influence) ->
                        let others = List.choose id comparisons

                        mean information [ for places, (other, _) in others -> mirrored places other ],
                        mean influence [ for _, (_, other) in others -> other ])
            }

    /// Adds the segmenter to a graph. Image [B, 3, S, S] in [0, 1] → its answer.
    let build graph (model: Model) mode (image: OnnxValue) : OnnxAnswer =
        let method = model.Manifest.Settings.Method

        normalised graph model.Manifest.Preprocessing image
        |> overImages graph method.Flips (fun image ->
            OnnxTower.forward graph method.DenseMode model.Tower image
            |> observe graph model
            |> answer graph model mode)
