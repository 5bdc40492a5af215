namespace Mcdrl

open TorchSharp

/// A step of the head (ours, not the paper's) that doubles the detail with a map of an earlier tower block. What it adds is
/// the map's pattern in a style that is stated apart, so that the style can be intervened on as the regions are.
[<NoComparison; NoEquality>]
type Refinement =
    {
        /// 1×1, from the skip map's channels to the head's.
        lateral: Conv2d
        /// From the style to a scale and a shift of each channel, [2·hidden, d].
        style: Linear
        /// 3×3, within the head's channels, of the sum of both.
        conv: Conv2d
        /// Of what that gives, [hidden].
        norm: GroupNorm
    }

/// A skip map as a refinement reads it, taken apart.
[<NoComparison; NoEquality>]
type Detail =
    {
        /// Each channel with mean 0 and deviation 1 over the positions, [B, hidden, H, W].
        Pattern: Tensor
        /// The means that were taken out and the logarithms of the deviations, [B, 2·hidden].
        Style: Tensor
    }

/// Makes refinements, takes skip maps apart for them, and applies them on the way from the head's map to finer ones.
[<RequireQualifiedAccess>]
module Refinement =
    /// How many groups its group norm has.
    let groups (channels: int64) =
        List.find (fun count -> channels % count = 0L) [ 32L; 16L; 8L; 4L; 2L; 1L ]

    /// From a skip map of `channels` into a head of `hidden` ones, with styles of width d.
    let create (channels: int64) (hidden: int64) (width: int64) filling : Refinement =
        {
            lateral = Init.conv2d channels hidden 1L (Filling.named "lateral" filling)
            style = Init.silent width (2L * hidden) filling
            conv = Init.conv2d hidden hidden 3L (Filling.named "conv" filling)
            norm = Init.groupNorm hidden filling
        }

    /// The coarsest skip maps (given fine to coarse, [B, channels, H, W]) as the refinements read them, in their order.
    let details (refinements: Refinement list) (skips: Tensor list) : Detail list =
        let apart (refinement: Refinement, skip) =
            let tensors (detail: Detail) : Tensor seq = [ detail.Pattern; detail.Style ]

            scopedWith tensors (fun () ->
                let lateral = conv2d 1L 0L refinement.lateral skip // [B, hidden, H, W]
                let positions = [| 2L; 3L |]
                let mean = lateral.mean (positions, true)
                let centred = lateral.sub mean

                let deviation =
                    (squared centred).mean(positions, true).add(scalar 1e-5, unity).sqrt()

                {
                    Pattern = centred.div deviation
                    Style = torch.cat([| mean; deviation.log () |], 1L).flatten 1L
                })

        let used = skips |> List.rev |> List.truncate refinements.Length
        List.zip refinements used |> List.map apart

    /// x and its style, [B', hidden, h, w] and [B', d], where B' may be a multiple of the B images of the detail
    /// → [B', hidden, H, W].
    let apply (style: Tensor) (x: Tensor) (refinement: Refinement, detail: Detail) =
        scoped (fun () ->
            let pattern = detail.Pattern

            let stated =
                (linear refinement.style style).unflatten(0L, [| -1L; pattern.shape[0] |]) // [copies, B, ...]

            let factors = stated.unsqueeze(-1L).unsqueeze(-1L).chunk(2L, 2L)
            let lateral = pattern.mul(factors[0].add(scalar 1.0, unity)).add(factors[1], unity)
            let upsampled = (resized pattern.shape[2..] x).view_as lateral // [copies, B, hidden, H, W]
            let joined = upsampled.add(lateral, unity).flatten(0L, 1L) // [B', hidden, H, W]

            (conv2d 1L 1L refinement.conv
             --> groupNorm (groups x.shape[1]) refinement.norm
             --> gelu)
                joined)
