namespace Mcdrl

/// A step of the head (ours, not the paper's) that doubles the detail with a map of an earlier tower block.
[<NoComparison; NoEquality>]
type Refinement =
    {
        /// Of the skip map, [channels].
        skip_norm: GroupNorm
        /// 1×1, from the skip map's channels to the head's.
        lateral: Conv2d
        /// 3×3, within the head's channels, of the sum of both.
        conv: Conv2d
        /// Of what that gives, [hidden].
        norm: GroupNorm
    }

/// Makes refinements, and applies them on the way from the head's map to finer ones.
[<RequireQualifiedAccess>]
module Refinement =
    /// How many groups its group norms have.
    let groups (channels: int64) =
        List.find (fun count -> channels % count = 0L) [ 32L; 16L; 8L; 4L; 2L; 1L ]

    /// From a skip map of `channels` into a head of `hidden` ones.
    let create (channels: int64) (hidden: int64) filling : Refinement =
        {
            skip_norm = Init.groupNorm channels filling
            lateral = Init.conv2d channels hidden 1L (Filling.named "lateral" filling)
            conv = Init.conv2d hidden hidden 3L (Filling.named "conv" filling)
            norm = Init.groupNorm hidden filling
        }

    /// x [B', hidden, h, w], where B' may be a multiple of the B images of the skip map [B, channels, H, W]
    /// → [B', hidden, H, W].
    let apply (x: Tensor) (refinement: Refinement, skip: Tensor) =
        scoped (fun () ->
            let lateral =
                (groupNorm (groups skip.shape[1]) refinement.skip_norm
                 --> conv2d 1L 0L refinement.lateral)
                    skip // [B, hidden, H, W]

            let upsampled = (resized skip.shape[2..] x).unflatten(0L, [| -1L; skip.shape[0] |]) // [copies, B, ...]
            let joined = upsampled.add(lateral, unity).flatten(0L, 1L) // [B', hidden, H, W]

            (conv2d 1L 1L refinement.conv
             --> groupNorm (groups x.shape[1]) refinement.norm
             --> gelu)
                joined)

    /// The steps in turn, with the coarsest of the skip maps (fine to coarse) first. [B', hidden, h, w] → [B', hidden, H, W]
    let applyAll (refinements: Refinement list) (skips: Tensor list) (x: Tensor) =
        let used = skips |> List.rev |> List.truncate refinements.Length
        List.zip refinements used |> List.fold apply x
