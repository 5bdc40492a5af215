namespace Mcdrl

/// What an exported file and whoever runs it agree on: the names of its ports.
[<RequireQualifiedAccess>]
module OnnxContract =
    /// The input's name.
    let image = "image"

    /// The outputs' names. The last two are only there for modes that look at single conditions.
    let probabilities, disagreement, influence =
        "probabilities", "disagreement", "influence"
