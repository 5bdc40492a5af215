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

    /// How a file ends: the entry of its metadata (field 14 of ModelProto, key 1 and value 2 of 64 characters) that holds the sha256 of
    /// the file, see `SelfDigest`. The digits come after it.
    let digestEntry: byte[] =
        [|
            0x72uy
            74uy
            0x0Auy
            6uy
            yield! Array.map byte ("sha256".ToCharArray())
            0x12uy
            64uy
        |]
