namespace Mcdrl

/// What an exported file and whoever runs it agree on: the names of its ports, and of what it may state.
[<RequireQualifiedAccess>]
module OnnxContract =
    /// The input's name.
    let image = "image"

    /// The outputs' names. The last two are only there for modes that look at single conditions.
    let probabilities, disagreement, influence =
        "probabilities", "disagreement", "influence"

    /// The metadata of the smallest region that is marked, a share of the picture; absent for regions of any size.
    let minArea = "min_area"
