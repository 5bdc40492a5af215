namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// P(z) estimated from frames, without their masks.
[<RequireQualifiedAccess>]
module internal PriorEstimate =
    /// The text tower by whose scale similarities go, where the settings ask for an estimate. It needs a CLIP, whose image
    /// tower was trained with that text tower.
    let create (settings: MethodSettings) (weights: Weights) : Result<ClipText option, McdrlError> =
        match settings.PriorSource, weights.Text with
        | None, _
        | Some PriorSource.Learned, _ -> Ok None
        | Some PriorSource.Estimated, Some text when Tower.isAligned weights.Tower -> Ok(Some text)
        | Some PriorSource.Estimated, _ ->
            Error(
                McdrlError.usage
                    $"{Tower.name weights.Tower} is no CLIP, without which no prior can be estimated"
                    "method.prior_source=estimated"
                    "Use the weights of a CLIP, or give weights in method.prior"
            )

    /// The texts with the mean over the frames of CLIP's P(z | x) as their prior.
    let ofFrames
        (text: ClipText)
        (tower: Tower)
        (batchSize: int)
        (frames: Views)
        (texts: Texts)
        (progress: Progress)
        : Result<Texts, McdrlError> =
        use _noGrad = torch.no_grad ()
        let scale = ClipText.scale text
        let total = frames.Members.Length

        let posterior members =
            use _scope = torch.NewDisposeScope()

            let features, _ =
                Views.draw frames 0 members None |> Views.seenBy Precision.Fp32 tower frames

            let each = Prior.posterior scale texts.conditions features.Image
            each.sum(0L).cpu().data<float>().ToArray()

        [| 0 .. total - 1 |]
        |> Array.chunkBySize batchSize
        |> List.ofArray
        |> List.traverseResultM (fun members ->
            if progress.IsCancelled then
                Error McdrlError.Cancelled
            else
                progress.Tell
                    {
                        Stage = "estimating the prior"
                        Done = Array.last members + 1
                        Total = total
                        Note = ""
                    }

                Ok(posterior members))
        |> Result.map (fun sums ->
            let weights = sums |> List.reduce (Array.map2 (+))

            { texts with
                log_prior = (Backdoor.logPrior weights).``to`` texts.conditions.device
            })
