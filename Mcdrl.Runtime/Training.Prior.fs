namespace Mcdrl

open System.Threading
open TorchSharp

/// P(z) estimated from frames, without their masks.
[<RequireQualifiedAccess>]
module PriorEstimate =
    /// The texts with the mean over the frames of CLIP's P(z | x) as their prior. It needs a CLIP: a tower trained with
    /// text, and the text tower whose scale its similarities go by.
    let ofFrames
        (weights: Weights)
        (tower: Tower)
        (batchSize: int)
        (frames: Views)
        (texts: Texts)
        (report: Report)
        (cancel: CancellationToken)
        : Result<Texts, McdrlError> =
        match weights.Text with
        | Some text when Tower.isAligned tower ->
            use _noGrad = torch.no_grad ()
            let total = frames.Members.Length

            let posteriors =
                [|
                    for members in Array.chunkBySize batchSize [| 0 .. total - 1 |] do
                        if not cancel.IsCancellationRequested then
                            use _scope = torch.NewDisposeScope()
                            let drawn = Views.draw frames 0 members None
                            let features, _ = Views.seenBy tower frames drawn

                            let posterior =
                                Prior.posterior (ClipText.scale text) texts.conditions features.Image

                            report
                                {
                                    Stage = "estimating the prior"
                                    Done = Array.last members + 1
                                    Total = total
                                    Note = ""
                                }

                            posterior.sum(0L).cpu().data<float>().ToArray()
                |]

            if cancel.IsCancellationRequested then
                Error McdrlError.Cancelled
            else
                Ok
                    { texts with
                        log_prior =
                            (Array.transpose posteriors |> Array.map Array.sum |> Backdoor.logPrior).``to``
                                texts.conditions.device
                    }
        | _ ->
            Error(
                McdrlError.usage
                    $"{Tower.name tower} is no CLIP, without which no prior can be estimated"
                    "method.prior_source=estimated"
                    "Use the weights of a CLIP, or give weights in method.prior"
            )
