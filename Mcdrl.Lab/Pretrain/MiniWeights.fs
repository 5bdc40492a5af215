namespace Mcdrl

open FsToolkit.ErrorHandling

/// The small CLIP that comes with the product (`models/mini`): it has only ever seen simulated frames.
[<RequireQualifiedAccess>]
module MiniWeights =
    /// The weights that come with the product, beside the program or in a folder above it.
    let folder () : Result<string, McdrlError> =
        Product.folder "models/mini"
        |> Result.requireSome (
            McdrlError.model
                "the weights that come with Mcdrl are not there"
                "models/mini"
                "Name a CLIP's weights with “weights”"
        )
