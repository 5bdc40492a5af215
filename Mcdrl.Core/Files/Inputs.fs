namespace Mcdrl

/// What is read is never written over.
[<RequireQualifiedAccess>]
module Inputs =
    /// Refuses an output that is one of the inputs, by whatever name, link or mount.
    let keep (inputs: string list) (out: string) : Result<unit, McdrlError> =
        match inputs |> List.tryFind (FileIdentity.isSame out) with
        | None -> Ok()
        | Some input ->
            Error(
                McdrlError.usage
                    $"this is what is read, {input}, and would be replaced"
                    out
                    "Choose another “out”"
            )
