namespace Mcdrl

open TorchSharp

/// From the answers of a network under every condition to what is said about one picture.
[<RequireQualifiedAccess>]
module internal Explained =
    /// A number for each condition of the dictionary. [1, M]
    let perCondition (conditions: string list) (values: Tensor) =
        values.flatten().cpu().``to``(torch.float64).data<float>()
        |> Seq.zip conditions
        |> List.ofSeq

    /// What the conditions make together, by `combine` or else exactly, and what comparing them tells: I(Y; Z | F) [B, S, S] and
    /// influence [B, M]; of each image, mirrored back, and the mean of those. log π [M]; `each` are an image's logits under each
    /// condition, [M, B, K + 1, S, S].
    let comparison (prior: Tensor) (combine: (Tensor -> Tensor -> Tensor) option) seen each =
        let wanted (logits: Tensor) (made: Tensor) =
            if made.shape <> logits.shape[1..] then
                invalidArg
                    "combine"
                    $"it made {shapeText made.shape} of logits {shapeText logits.shape}; probabilities {shapeText logits.shape[1..]} are wanted"

            made.``to`` logits.dtype

        let found =
            seen
            |> List.map (fun (mirror, observation) ->
                mirror,
                scopedWith
                    (fun (answer, information, influence) -> [ answer; information; influence ])
                    (fun () ->
                        let logits: Tensor = each observation
                        let struct (mixed, information, influence) = Disagreement.compare prior logits

                        let answer =
                            match combine with
                            | Some combine -> combine prior logits |> wanted logits
                            | None -> mixed

                        answer, information, influence))

        let mean part =
            found |> List.map (fun (mirror, answer) -> part mirror answer) |> Mirrored.mean

        mean (fun mirror (answer, _, _) -> mirror, answer),
        Some(
            mean (fun mirror (_, information, _) -> mirror, information),
            mean (fun _ (_, _, influence) -> id, influence)
        )

    /// What an answer [1, K + 1, S, S] says about a picture, with I(Y; Z | F) [1, S, S] and the influences [1, M] where the mode compares
    /// conditions.
    let segmentation (manifest: Manifest) mode marking (picture: Picture) (probabilities: Tensor) comparison =
        let probabilities =
            probabilities.squeeze(0L).cpu().contiguous().data<float32>().ToArray()

        let side = manifest.Preprocessing.InputSize

        let marking =
            Marking.inPicture manifest.Settings.Method.MinArea picture.Height picture.Width marking

        let upright = Marking.labels marking picture.Height picture.Width side probabilities

        {
            Mask = LabelMap.inFile picture.Orientation upright
            Upright = upright
            Classes = manifest.Classes
            Mode = mode
            Marking = marking
            Probabilities = probabilities
            Side = side
            Orientation = picture.Orientation
            Influence =
                comparison
                |> Option.map (snd >> perCondition manifest.Settings.Method.Conditions)
                |> Option.defaultValue []
            Disagreement =
                comparison
                |> Option.map (fun (information: Tensor, _) ->
                    information.mean().cpu().item<float32>() |> float)
        }

    let regionsSeen (observation: Observation) : RegionsSeen =
        let similarity = observation.Similarity.squeeze(0L).cpu().``to`` torch.float32
        let height, width = int similarity.shape[0], int similarity.shape[1]

        {
            Selected = Explanation.regionMask height width (observation.Cells.squeeze 0L)
            Similarity =
                [
                    for index in 0L .. similarity.shape[2] - 1L ->
                        {
                            Width = width
                            Height = height
                            Values = similarity.select(2L, index).contiguous().data<float32>().ToArray()
                        }
                ]
        }

    /// What comparing the conditions of a dictionary tells. log π [M], logits [M, 1, K + 1, S, S].
    let active
        (conditions: string list)
        (prior: Tensor)
        (picture: Picture)
        (segmentation: SegmentationResult)
        regions
        each
        attention
        =
        let height, width = picture.Height, picture.Width
        let weights = prior.exp () |> perCondition conditions |> List.map snd
        let divergence = Disagreement.divergence prior each

        let enlarged (map: Tensor) : ValueMap =
            {
                Width = width
                Height = height
                Values = Upsampling.values height width map
            }

        let struct (index, influence) = Explanation.mostInfluential prior divergence
        let influence = influence.squeeze 0L
        let named = index.squeeze(0L).add(scalar 1.0, unity).minimum(scalar 255.0)

        let answers =
            List.zip (Disagreement.influence prior each |> perCondition conditions) weights
            |> List.mapi (fun condition ((name, influence), weight) ->
                let alone = (Explanation.under condition each).squeeze 0L
                let mask = Upsampling.marked segmentation.Marking height width alone

                {
                    Condition = name
                    Weight = weight
                    Influence = influence
                    Mask = mask
                    Dice = Explanation.dice segmentation.Upright mask
                    Changed = snd (Explanation.changes segmentation.Upright mask)
                })

        let isUnstable pixel label =
            answers
            |> List.exists (fun answer -> answer.Weight > 0.0 && answer.Mask.Labels[pixel] <> label)

        {
            Segmentation = segmentation
            Active = true
            Conditions = answers
            MutualInformation = (Disagreement.mutualInformation prior each).squeeze 0L |> enlarged
            GeometricDisagreement = (Disagreement.geometric prior each).squeeze 0L |> enlarged
            Strongest =
                named.mul (influence.gt (scalar 0.0))
                |> RasterTensors.toLabels
                |> LabelMap.resized width height
            StrongestInfluence = enlarged influence
            Unstable =
                segmentation.Upright.Labels
                |> Seq.mapi isUnstable
                |> Seq.sumBy (fun unstable -> if unstable then 1L else 0L)
            Gap =
                let exact = (Backdoor.exact prior each).squeeze 0L
                Explanation.gap segmentation.Marking height width exact attention
            Regions = regions
        }

    /// The explanation of an answer in which no condition played a part.
    let unconditional (picture: Picture) segmentation regions =
        let nothing: LabelMap =
            {
                Width = picture.Width
                Height = picture.Height
                Labels = Array.zeroCreate (picture.Width * picture.Height)
            }

        let zero: ValueMap =
            {
                Width = picture.Width
                Height = picture.Height
                Values = Array.zeroCreate (picture.Width * picture.Height)
            }

        {
            Segmentation = segmentation
            Active = false
            Conditions = []
            MutualInformation = zero
            GeometricDisagreement = zero
            Strongest = nothing
            StrongestInfluence = zero
            Unstable = 0L
            Gap =
                {
                    MeanTotalVariation = 0.0
                    MaxTotalVariation = 0.0
                    Dice = 1.0
                    Flips = 0L
                    FlipMap = nothing
                    Mask = segmentation.Upright
                }
            Regions = regions
        }
