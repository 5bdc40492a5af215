namespace Mcdrl

open System
open TorchSharp
open type TorchSharp.torch.nn

/// How unsure a model is of one frame, in nats: means over the pixels of the network's input.
type FrameUncertainty =
    {
        /// I(Y; Z | F), over all pixels; NaN for a model that doesn't intervene.
        Disagreement: float
        /// Entropy of the answer, over all pixels.
        Entropy: float
        /// I(Y; Z | F), over the lesion that is marked and a margin around it; over all pixels where none is.
        DisagreementNearLesion: float
        /// Entropy of the answer, over the same pixels.
        EntropyNearLesion: float
    }

/// How unsure a model is, read off its answer.
[<RequireQualifiedAccess>]
module FrameUncertainty =
    /// The kinds with their names in reports.
    let kinds: (string * (FrameUncertainty -> float)) list =
        [
            "disagreement", _.Disagreement
            "entropy", _.Entropy
            "disagreement_near_lesion", _.DisagreementNearLesion
            "entropy_near_lesion", _.EntropyNearLesion
        ]

    /// The margin around a lesion in pixels, a sixteenth of the frame's side.
    let private margin (side: int64) = max 1L (side / 16L)

    /// 1 for pixels of lesions and around them, 0 elsewhere; 1 everywhere where none is marked. [K + 1, S, S] → [S, S].
    let private nearLesion (probabilities: Tensor) =
        scoped (fun () ->
            let lesion = probabilities.argmax(0L).gt(scalar 0.0).``to`` torch.float32

            if lesion.max().item<float32>() = 0.0f then
                torch.ones_like lesion
            else
                let radius = margin lesion.shape[0]

                functional
                    .max_pool2d(
                        lesion.unsqueeze(0L).unsqueeze 0L,
                        [| 2L * radius + 1L; 2L * radius + 1L |],
                        [| 1L; 1L |],
                        [| radius; radius |]
                    )
                    .squeeze(0L)
                    .squeeze
                    0L)

    /// From an answer [K + 1, S, S] and I(Y; Z | F) of each pixel, [S, S], where the model intervenes; both on the CPU.
    let ofAnswer (probabilities: Tensor) (disagreement: Tensor option) : FrameUncertainty =
        use _scope = torch.NewDisposeScope()
        let entropy = Disagreement.entropy 0L probabilities
        let near = nearLesion probabilities

        let over (weight: Tensor) (map: Tensor) =
            map.mul(weight).sum().div(weight.sum ()).item<float32>() |> float

        let everywhere = torch.ones_like near

        let ofDisagreement weight =
            disagreement |> Option.map (over weight) |> Option.defaultValue nan

        {
            Disagreement = ofDisagreement everywhere
            Entropy = over everywhere entropy
            DisagreementNearLesion = ofDisagreement near
            EntropyNearLesion = over near entropy
        }

/// How well uncertainty warns of bad answers at one site.
type SiteWarning =
    {
        /// The site's name; `all` for all together.
        Site: string
        /// Frames that were scored.
        Images: int
        /// Those whose Dice is below `Warning.threshold`.
        Low: int
        /// For each of `FrameUncertainty.kinds` the AUROC for "this frame's Dice is below the threshold" and its 95 % interval
        /// over frames, or over patients or sequences where the dataset names them; `None` where all frames are below it or none is, or the model has no such uncertainty.
        Areas: (string * Interval option) list
    }

/// Whether uncertainty warns of frames that a model answers badly.
[<RequireQualifiedAccess>]
module Warning =
    /// The Dice below which an answer should have come with a warning.
    let threshold = 0.7

    /// Of frames with their foreground Dice, site by site and in each by what intervals draw together, under a name.
    let ofSites (name: string) (sites: (float * FrameUncertainty)[][] list) : SiteWarning =
        let seed = Seed.create 1UL |> Seed.named "warning" |> Seed.named name
        let frames = sites |> Seq.collect Array.concat |> Array.ofSeq

        let cases (kind: FrameUncertainty -> float) frames =
            frames
            |> Array.map (fun (dice, uncertainty) -> struct (kind uncertainty, dice < threshold))

        let areas frames =
            [| for _, kind in FrameUncertainty.kinds -> Auroc.ofCases (cases kind frames) |]

        {
            Site = name
            Images = frames.Length
            Low = frames |> Array.filter (fun (dice, _) -> dice < threshold) |> Array.length
            Areas =
                [
                    for (name, _), area in
                        Bootstrap.grouped Bootstrap.resamples seed areas sites
                        |> List.ofArray
                        |> List.zip FrameUncertainty.kinds ->
                        name, (if Double.IsNaN area.Estimate then None else Some area)
                ]
        }
