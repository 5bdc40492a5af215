namespace Mcdrl

open TorchSharp

/// The prior P(z) of Eq. 1 where its weights aren't given.
[<RequireQualifiedAccess>]
module Prior =
    /// π, one number a condition.
    let weights (texts: Texts) : float array =
        use _scope = torch.NewDisposeScope()
        texts.log_prior.exp().cpu().``to``(torch.float64).data<float>().ToArray()

    /// P(z_m | x) as CLIP sees it without training: softmax over m of s·cos(F_vis, z_m). Its mean over frames estimates
    /// P(z). F_vis [B, d], z [M, d] → float64 [B, M].
    let posterior (scale: float) (conditions: Tensor) (images: Tensor) =
        scoped (fun () ->
            let cosines = (unit (widened images)).matmul((unit (widened conditions)).t())
            cosines.``to``(torch.float64).mul(scalar scale).softmax 1L)

    /// What a learned prior starts from: that of the texts. `None` where none is learned.
    let start (settings: MethodSettings) (texts: Texts) : Tensor option =
        match settings.PriorSource with
        | Some PriorSource.Learned -> Some(texts.log_prior.``to`` torch.float32)
        | Some PriorSource.Estimated
        | None -> None

    /// The texts with the network's own prior, where it learns one.
    let inTexts (network: Network) (texts: Texts) : Texts =
        match network.log_prior with
        | None -> texts
        | Some weights ->
            { texts with
                log_prior = scoped (fun () -> weights.``to``(torch.float64).log_softmax 0L)
            }

    /// What inference needs: a learned prior is a prior like any other.
    let settled (network: Network) (texts: Texts) : Network * Texts =
        { network with log_prior = None }, inTexts network texts
