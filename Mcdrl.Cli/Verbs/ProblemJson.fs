namespace Mcdrl.Cli

open Mcdrl

/// A problem as JSON.
[<RequireQualifiedAccess>]
module ProblemJson =
    /// An object with `where`, `what` and `fix`, with flags.
    let create problem =
        match problem with
        | McdrlError.Usage fault
        | McdrlError.Model fault
        | McdrlError.Data fault
        | McdrlError.Resource fault ->
            Json.object
                [
                    "where", Json.text (Flags.spelt fault.Where)
                    "what", Json.text (Flags.spelt fault.What)
                    "fix", Json.text (Flags.spelt fault.Fix)
                ]
        | McdrlError.Cancelled
        | McdrlError.Several _ -> Json.object [ "what", Json.text (Flags.describe problem) ]
