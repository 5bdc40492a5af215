namespace Mcdrl

/// How large a lesion is in its frame.
[<RequireQualifiedAccess>]
type LesionSize =
    /// Below 1/300 of the frame.
    | Small
    /// From 1/300 to below 3/100 of the frame.
    | Medium
    /// From 3/100 of the frame.
    | Large

/// Sizes of lesions, by area relative to the frame, which no scaling of frames changes. The limits are COCO's (32² and 96² pixels; Lin et
/// al., 2014) on a frame of COCO's 640 × 480 pixels. PolypGen's own table counts pixels of bounding boxes, so its strata are near
/// these and not the same.
[<RequireQualifiedAccess>]
module LesionSize =
    /// Where medium begins, as a share of the frame.
    let medium = 32.0 * 32.0 / (640.0 * 480.0)

    /// Where large begins, as a share of the frame.
    let large = 96.0 * 96.0 / (640.0 * 480.0)

    /// From small to large.
    let all = [ LesionSize.Small; LesionSize.Medium; LesionSize.Large ]

    /// In reports.
    let name size =
        match size with
        | LesionSize.Small -> "small"
        | LesionSize.Medium -> "medium"
        | LesionSize.Large -> "large"

    /// Of a lesion with so many of the frame's pixels.
    let ofArea (area: int64) (pixels: int64) =
        let share = float area / float pixels

        if share < medium then LesionSize.Small
        elif share < large then LesionSize.Medium
        else LesionSize.Large
