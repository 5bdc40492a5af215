namespace Mcdrl.Cli

open Mcdrl

/// `--flips` of verbs that answer.
[<RequireQualifiedAccess>]
module FlipsName =
    /// Its line of help.
    let usage =
        "none, horizontal or both: the mirror images whose probabilities are averaged with the frame's own, at two or four times the time. Default: the model's own."

    /// `none`, `horizontal` or `both`.
    let ofFlips (flips: Flips option) =
        flips |> Option.map RecordJson.text |> Option.defaultValue "none"

    /// What the argument does to a segmenter: nothing where it is absent.
    let parse (name: string option) : Result<Segmenter -> Segmenter, McdrlError> =
        match name with
        | None -> Ok id
        | Some name ->
            [ None; Some Flips.Horizontal; Some Flips.Both ]
            |> List.tryFind (fun flips -> ofFlips flips = name)
            |> Option.map (Segmenter.withFlips >> Ok)
            |> Option.defaultValue (
                Error(
                    McdrlError.usage
                        "there are no such mirror images"
                        $"--flips {name}"
                        "Choose none, horizontal or both"
                )
            )
