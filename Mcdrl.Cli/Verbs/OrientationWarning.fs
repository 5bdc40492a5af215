namespace Mcdrl.Cli

open Mcdrl

/// Tells who trains or evaluates on frames that are stored turned how their masks are read.
[<RequireQualifiedAccess>]
module OrientationWarning =
    /// Says so about the sites that are used; a dataset that can't be read is left to who reads it next.
    let say session (data: string) (isUsed: string -> bool) =
        Dataset.load data
        |> Result.bind (fun dataset ->
            dataset.Sites
            |> List.filter (fun site -> isUsed site.Name)
            |> TurnedFrames.warnings dataset)
        |> Result.defaultValue []
        |> List.iter (fun line -> Session.warn session (Printable.line line))
