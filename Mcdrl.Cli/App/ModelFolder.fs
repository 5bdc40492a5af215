namespace Mcdrl.Cli

open Mcdrl

/// Which model a verb works with.
[<RequireQualifiedAccess>]
module ModelFolder =
    /// The folder named, or the embedded model's and a word about it.
    let orEmbedded session (folder: string option) : Result<string, McdrlError> =
        match folder with
        | Some folder -> Ok folder
        | None ->
            EmbeddedModel.folder ()
            |> Result.map (fun folder ->
                Session.say session EmbeddedModel.notice
                folder)
