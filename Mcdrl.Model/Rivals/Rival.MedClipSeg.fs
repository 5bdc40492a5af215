namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// From tokens to normal distributions, one a token and channel.
[<NoComparison; NoEquality>]
type GaussianLayer =
    {
        /// To the means, before `norm`, [a, a].
        mean: Linear
        /// Of the means, [a].
        norm: LayerNorm
        /// To what softplus makes the variances of, [a, a].
        variance: Linear
    }

/// Cross-attention to a context whose keys and values are uncertain, one head of a channels.
[<NoComparison; NoEquality>]
type ProbabilisticAttention =
    {
        /// Of the tokens that ask.
        query: Linear
        /// Of the context.
        key: GaussianLayer
        /// Of the context.
        value: GaussianLayer
        /// Of what was attended to.
        out: Linear
        /// g, [1]: σ(g) of a fused token is what was attended to, the rest the token itself.
        gate: Tensor
    }

/// The trained leaves of MedCLIPSeg's attention.
[<NoComparison; NoEquality>]
type MedClipSeg =
    {
        /// From an image token to a channels, without bias.
        image_down: Linear
        /// Back, without bias.
        image_up: Linear
        /// From a text token to a channels, without bias.
        text_down: Linear
        /// Back, without bias.
        text_up: Linear
        /// Image tokens ask the text tokens.
        image: ProbabilisticAttention
        /// Text tokens ask the image tokens that came of it.
        text: ProbabilisticAttention
    }

/// Probabilistic cross-attention between image and text (Koleilat et al., MedCLIPSeg, CVPR 2026, arXiv 2602.20423): keys
/// and values of a context are normal distributions, uncertain keys count less, and values are drawn.
///
/// Theirs sits in layers of CLIP's two towers. Ours, in the frame of all methods: it acts once, on the dense map's cells and
/// on the texts of normal mucosa and of the classes, so a table of texts will do; a is 64, or the narrower side's channels if
/// these are fewer; a token becomes x + up(fused − down(x)) where theirs is up(fused), because cells are told by their
/// similarity to texts, which a map through a fresh bottleneck of 64 would have lost; `up` starts from 0, so that training
/// starts from fixed prompts. Answers take the values' means where theirs average samples. F_vis stays as it is. Left out:
/// their soft contrast between patches and texts (`loss.alignment` of the frame is a hard one) and their map of uncertainty.
[<RequireQualifiedAccess>]
module MedClipSeg =
    /// β, how much the uncertainty of a key counts against it.
    let beta = 2.35

    /// What keeps variances and roots from 0.
    let private least = 1e-6

    let private unbiased (inputs: int64) (outputs: int64) name filling : Linear =
        {
            weight =
                filling
                |> Filling.named name
                |> Filling.fill (SeedTensors.symmetric (1.0 / sqrt (float inputs))) [ outputs; inputs ]
            bias = None
        }

    let private silent (inputs: int64) (outputs: int64) filling : Linear =
        { Init.silent inputs outputs filling with
            bias = None
        }

    let private gaussian (width: int64) name filling : GaussianLayer =
        let filling = Filling.named name filling

        {
            mean = Init.linear width width (Filling.named "mean" filling)
            norm = Init.layerNorm width filling
            variance = Init.linear width width (Filling.named "variance" filling)
        }

    let private attention (width: int64) name filling : ProbabilisticAttention =
        let filling = Filling.named name filling

        {
            query = Init.linear width width (Filling.named "query" filling)
            key = gaussian width "key" filling
            value = gaussian width "value" filling
            out = Init.linear width width (Filling.named "out" filling)
            gate = Filling.fill (fun shape _ -> Init.zeros shape) [ 1L ] filling
        }

    /// Before training, for image tokens and text tokens of so many channels: tokens stay what they are.
    let create (image: int64) (text: int64) filling : MedClipSeg =
        let width = min 64L (min image text)

        {
            image_down = unbiased image width "image_down" filling
            image_up = silent width image filling
            text_down = unbiased text width "text_down" filling
            text_up = silent width text filling
            image = attention width "image" filling
            text = attention width "text" filling
        }

    /// Mean and variance of every token and channel, [..., a] each.
    let private distribution (layer: GaussianLayer) (context: Tensor) =
        let mean = (linear layer.mean --> layerNorm layer.norm) context
        mean, (functional.softplus (linear layer.variance context)).add(scalar least, unity)

    /// What x attends to: softmax over the context of q·k_μ / √a − β √(q²·k_σ² / a + 1e-6), applied to v_μ + √(v_σ²)·ε, or
    /// to v_μ without noise ε. x [B or 1, n, a], context [B or 1, m, a], ε [B, m, a] → [B, n, a]
    let attended
        (beta: float)
        (noise: Tensor option)
        (layer: ProbabilisticAttention)
        (context: Tensor)
        (x: Tensor)
        =
        scoped (fun () ->
            let queries = linear layer.query x
            let keys, keyVariances = distribution layer.key context
            let values, valueVariances = distribution layer.value context
            let width = float (Array.last x.shape)

            let similar = queries.matmul(keys.transpose (-2L, -1L)).div(scalar (sqrt width)) // [B, n, m]

            let uncertain = // [B, n, m]
                (squared queries)
                    .matmul(keyVariances.transpose (-2L, -1L))
                    .div(scalar width)
                    .add(scalar least, unity)
                    .sqrt()

            let values =
                match noise with
                | Some noise -> values.add (valueVariances.sqrt().mul noise, unity)
                | None -> values

            (similar.sub (uncertain.mul (scalar beta))).softmax(-1L).matmul values)

    /// σ(g) · W_o(attended) + (1 − σ(g)) · x. Shapes as in `attended`.
    let fused noise (layer: ProbabilisticAttention) (context: Tensor) (x: Tensor) =
        scoped (fun () ->
            let gate = layer.gate.sigmoid ()
            let attended = attended beta noise layer context x |> linear layer.out
            attended.mul(gate).add(x.mul (gate.neg().add(scalar 1.0, unity)), unity))

    /// Both kinds of tokens after attending to each other, image first. Values are drawn by the seed, in training; without
    /// one their means are taken. Image tokens [B, n, width], text tokens [1 or B, m, d] → [B, n, width], [B, m, d]
    let exchange
        (learner: MedClipSeg)
        (seed: Seed option)
        (image: Tensor)
        (text: Tensor)
        : struct (Tensor * Tensor) =
        use scope = torch.NewDisposeScope()
        let cells, words = linear learner.image_down image, linear learner.text_down text

        let noise name (context: Tensor) =
            seed
            |> Option.map (fun seed ->
                (SeedTensors.normal
                    [ cells.shape[0]; context.shape[1]; context.shape[2] ]
                    (Seed.named name seed))
                    .``to``
                    context.device)

        let told = fused (noise "image" words) learner.image words cells
        let seen = fused (noise "text" told) learner.text told words

        struct (scope.MoveToOuter(image.add (linear learner.image_up (told.sub cells), unity)),
                scope.MoveToOuter(text.add (linear learner.text_up (seen.sub words), unity)))

    /// What the tower saw and the texts, after attending to each other: every image has texts of its own, that of normal
    /// mucosa too. `seed` as in `exchange`.
    let apply (learner: MedClipSeg) seed (features: TowerFeatures) (texts: Texts) : TowerFeatures * Texts =
        let changed (features: TowerFeatures, texts: Texts) : Tensor seq =
            [ features.Dense; texts.classes; texts.normal ]

        scopedWith changed (fun () ->
            let dense = features.Dense

            let struct (cells, prompts) =
                exchange learner seed (widened (dense.flatten (1L, 2L))) (widened (Texts.prompts texts))

            { features with
                Dense = cells.view_as(dense).``to`` dense.dtype
            },
            { texts with
                classes = prompts.narrow (1L, 1L, prompts.shape[1] - 1L)
                normal = prompts.narrow (1L, 0L, 1L)
            })
