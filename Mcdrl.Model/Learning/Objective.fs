namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// What the tower sees of frames that a condition was done to.
[<NoComparison; NoEquality>]
type Transformed =
    {
        /// Of T_m(x).
        Features: TowerFeatures
        /// float32 [B]: 1 where the condition is an operation on pixels, else 0, and the frame is as it was.
        Weight: Tensor
    }

/// What one optimiser step sees.
[<NoComparison; NoEquality>]
type Batch =
    {
        /// What the tower says about the frames.
        Features: TowerFeatures
        /// int64 [B, S, S], 0 background, k class k, or `Ignored.label`.
        Labels: Tensor
        /// int64 [B]: the class each image shows, 0 .. K − 1, or −1 for none.
        Classes: Tensor
        /// int64 [B]: a confounder drawn from π for each image.
        Confounders: Tensor
        /// The same frames with that confounder done to them, where they are seen in pairs.
        Transformed: Transformed option
    }

/// The parts of Eq. 9 and ours, before weighting, and their weighted sum, each a scalar. A part of no weight is 0.
[<NoComparison; NoEquality>]
type LossTerms =
    {
        /// L, what is minimised.
        Total: Tensor
        /// L_seg (Eq. 10), of frames seen in pairs the mean over both.
        Segmentation: Tensor
        /// L_causal (Eq. 11); 0 before the gate opens.
        Causal: Tensor
        /// L_contrast (Eq. 12), or a rival's own objective in its place.
        Contrast: Tensor
        /// 1 − soft Dice, ours, likewise.
        Dice: Tensor
        /// Cross-entropy of cells against the prompts, ours.
        Alignment: Tensor
        /// 1 − agreement of A with what transformed frames show, ours.
        Grounding: Tensor
        /// How far the answers to x and to T_m(x) are apart, ours.
        Invariance: Tensor
    }

/// The training objective (Eq. 9) as a pure function of weights and batch.
[<RequireQualifiedAccess>]
module Objective =
    /// The lesion class with the most pixels, or −1. uint8 labels [S, S].
    let classShown (classes: int) (labels: Tensor) : int64 =
        use _scope = torch.NewDisposeScope()

        let counts =
            labels.flatten().``to``(torch.int64).bincount(null, minlength = int64 classes + 1L)

        let lesions = counts.narrow (0L, 1L, int64 classes)

        if lesions.sum().item<int64>() = 0L then
            -1L
        else
            lesions.argmax().item<int64>()

    /// The class of each cell of an H×W grid: of its pixels that aren't ignored, the lesion class that covers most, if at least a
    /// quarter; else 0; `Ignored.label` where all are ignored. int64 [B, S, S] → int64 [B, H, W].
    let labelsPerCell (classes: int) (height: int64) (width: int64) (labels: Tensor) =
        scoped (fun () ->
            let ignored = (int64 Ignored.label).ToScalar()
            let last = int64 classes + 1L // stands for what is ignored

            let shares =
                functional.adaptive_avg_pool2d (
                    functional
                        .one_hot(labels.masked_fill (labels.eq ignored, last.ToScalar()), last + 1L)
                        .permute(0L, 3L, 1L, 2L)
                        .``to``
                        torch.float32,
                    [| height; width |]
                )

            let counted = shares.select(1L, last).neg().add(scalar 1.0, unity)
            let struct (share, lesion) = shares.narrow(1L, 1L, int64 classes).max 1L

            lesion
                .add(torch.tensor 1L, unity)
                .mul(share.ge(counted.mul (scalar 0.25)).``to`` torch.int64)
                .masked_fill(counted.le (scalar 0.0), ignored))

    /// Mean over images of the Dice of two label maps, uint8 [B, S, S]: in each image the mean over the classes that
    /// either map shows where the truth isn't ignored, and 1 where neither shows any.
    let meanDice (classes: int) (predicted: Tensor) (truth: Tensor) : float =
        use _scope = torch.NewDisposeScope()

        let marks (labels: Tensor) =
            let each =
                torch.tensor([| 1L .. int64 classes |], device = labels.device).view(1L, -1L, 1L)

            labels.flatten(1L).unsqueeze(1L).eq(each.``to`` labels.dtype).``to`` torch.float32

        let counts = truth.flatten(1L).unsqueeze(1L).ne(scalar (float Ignored.label))
        let p, g = (marks predicted).mul counts, marks truth
        let total = (p.sum 2L).add(g.sum 2L, unity)
        let dice = p.mul(g).sum(2L).mul(scalar 2.0).div(total.maximum (scalar 1.0))
        let shown = total.gt(scalar 0.0).``to`` torch.float32
        let count = shown.sum 1L
        let mean = dice.mul(shown).sum(1L).div(count.maximum (scalar 1.0))
        let empty = count.eq(scalar 0.0).``to`` torch.float32
        mean.add(empty, unity).mean().item<float32>() |> float

    /// One draw per image from π, int64 [B].
    let drawConfounders (texts: Texts) seed (images: int) =
        use source = SeedTensors.generator seed

        scoped (fun () -> texts.log_prior.exp().cpu().multinomial(int64 images, true, source))

    let private kept (terms: LossTerms, logits: Tensor) : Tensor seq =
        [
            terms.Total
            terms.Segmentation
            terms.Causal
            terms.Contrast
            terms.Dice
            terms.Alignment
            terms.Grounding
            terms.Invariance
            logits
        ]

    /// One side of a pair: what is observed, what A makes of it, and the answer.
    [<NoComparison; NoEquality>]
    type private Answer =
        {
            Texts: Texts
            Observation: Observation
            Rows: Tensor
            Logits: Tensor
        }

    let private answer (settings: Settings) network texts mode confounders side (features: TowerFeatures) =
        let observation = Network.observe network texts settings.Method.Alpha features
        let rows = Network.intervene network texts mode (Some confounders) observation.Rows

        {
            Texts = texts
            Observation = observation
            Rows = rows
            Logits = Network.logits network side observation rows
        }

    /// `read` says what is read of a view, 0 for x and 1 for T_m(x); `contrast` is what stands for L_contrast, of class texts
    /// [1 or B, K, d], classes [B] and F_vis [B, d], after its weight.
    let private evaluateBy
        (settings: Settings)
        (network: Network)
        (texts: Texts)
        (read: int -> TowerFeatures -> Texts -> TowerFeatures * Texts)
        (contrastWeight: float, contrast: Tensor -> Tensor -> Tensor -> Tensor)
        mode
        (batch: Batch)
        =
        scopedWith kept (fun () ->
            let weights = settings.Loss
            let texts = Prior.inTexts network texts
            let zeros: Tensor = torch.zeros (1L, device = batch.Labels.device)
            let zero () = zeros.squeeze ()
            let side = batch.Labels.shape[1]

            let answer mode view features =
                let features, texts = read view features texts
                answer settings network texts mode batch.Confounders side features

            let seen = answer mode 0 batch.Features

            let other =
                batch.Transformed
                |> Option.map (fun transformed -> answer Marginalisation.Never 1 transformed.Features)

            let term weight compute =
                if weight > 0.0 then compute () else zero ()

            /// Of x, or the mean over x and T_m(x).
            let overPair (loss: Tensor -> Tensor) =
                match other with
                | None -> loss seen.Logits
                | Some other -> (torch.stack [| loss seen.Logits; loss other.Logits |]).mean()

            let segmentation = overPair (fun logits -> Loss.segmentation logits batch.Labels)

            let dice =
                term weights.Dice (fun () ->
                    overPair (fun logits -> SoftDice.loss weights.DiceSmoothing logits batch.Labels))

            let causal =
                term (if mode = Marginalisation.Never then 0.0 else weights.Causal) (fun () ->
                    Network.regionsOf seen.Observation seen.Rows
                    |> Loss.causal texts.class_conditions batch.Classes)

            let contrast =
                term contrastWeight (fun () ->
                    contrast seen.Texts.classes batch.Classes seen.Observation.Image)

            let alignment =
                term weights.Alignment (fun () ->
                    let dense = seen.Observation.Dense

                    let cells =
                        labelsPerCell
                            (int texts.class_conditions.shape[0])
                            dense.shape[1]
                            dense.shape[2]
                            batch.Labels

                    Alignment.loss weights.AlignmentTau seen.Observation.Prompts cells dense)

            let grounding =
                match batch.Transformed, other with
                | Some transformed, Some other when settings.Method.TrainingMode <> Marginalisation.Never ->
                    term weights.Grounding (fun () ->
                        let foretold =
                            if mode = Marginalisation.Sampled then
                                seen.Rows.alias ()
                            else
                                Network.intervene
                                    network
                                    texts
                                    Marginalisation.Sampled
                                    (Some batch.Confounders)
                                    seen.Observation.Rows

                        Grounding.loss
                            transformed.Weight
                            (Grounding.rowsAt seen.Observation.Cells other.Observation)
                            foretold)
                | _ -> zero ()

            let invariance =
                match other with
                | Some other -> term weights.Invariance (fun () -> Invariance.loss seen.Logits other.Logits)
                | None -> zero ()

            let total =
                Loss.total weights.Causal contrastWeight segmentation causal contrast
                |> Loss.plus weights.Dice dice
                |> Loss.plus weights.Alignment alignment
                |> Loss.plus weights.Grounding grounding
                |> Loss.plus weights.Invariance invariance

            {
                Total = total
                Segmentation = segmentation
                Causal = causal
                Contrast = contrast
                Dice = dice
                Alignment = alignment
                Grounding = grounding
                Invariance = invariance
            },
            seen.Logits)

    /// L = L_seg + λ1 L_causal + λ2 L_contrast (Eq. 9), and ours: Dice, alignment, grounding and invariance. `mode` is how
    /// this step intervenes, `Never` before the gate opens, where the λ1 term is absent. T_m(x), where there is one, is
    /// answered as it is: it shows what A foretells of x. Returns the logits of x [B, K + 1, S, S] too.
    let evaluate (settings: Settings) (network: Network) (texts: Texts) mode (batch: Batch) =
        evaluateBy
            settings
            network
            texts
            (fun _ features texts -> features, texts)
            (settings.Loss.Contrast, Loss.contrast settings.Loss.Tau)
            mode
            batch

    /// `evaluate` with what a rival makes of features and texts, of each view by itself; what it draws is drawn by the seed.
    /// Its own objective, if it has one, takes the place of Eq. 12, in `Contrast`.
    let evaluateRival (settings: Settings) (network: Network) (rival: Rival) (texts: Texts) mode seed batch =
        let own =
            match rival with
            | Rival.Prompts rival -> PromptRival.weight, PromptRival.loss rival
            | Rival.Attention _ -> 0.0, Loss.contrast settings.Loss.Tau

        evaluateBy
            settings
            network
            texts
            (fun view -> Rival.read (Some rival) network (Some(Seed.split view seed)))
            own
            mode
            batch
