namespace Mcdrl.Cli

open Mcdrl

/// A problem as JSON.
[<RequireQualifiedAccess>]
module ProblemJson =
    /// An object with `where`, `what` and `fix`.
    let create problem =
        match problem with
        | McdrlError.Usage fault
        | McdrlError.Model fault
        | McdrlError.Data fault
        | McdrlError.Resource fault ->
            Json.object
                [
                    "where", Json.text fault.Where
                    "what", Json.text fault.What
                    "fix", Json.text fault.Fix
                ]
        | McdrlError.Cancelled
        | McdrlError.Several _ -> Json.object [ "what", Json.text (McdrlError.describe problem) ]
