namespace Mcdrl

open System
open System.IO

/// The small CLIP that comes with the product (`models/mini`): it has only ever seen simulated frames.
[<RequireQualifiedAccess>]
module MiniWeights =
    /// The weights that come with the product, beside the program or in a folder above it.
    let folder () : Result<string, McdrlError> =
        let rec climb (folder: DirectoryInfo | null) =
            match folder with
            | null ->
                Error(
                    McdrlError.model
                        "the weights that come with Mcdrl are not there"
                        "models/mini"
                        "Name a CLIP's weights with “weights”"
                )
            | folder ->
                let candidate = Path.Combine(folder.FullName, "models", "mini")

                if Directory.Exists candidate then
                    Ok candidate
                else
                    climb folder.Parent

        climb (DirectoryInfo AppContext.BaseDirectory)
