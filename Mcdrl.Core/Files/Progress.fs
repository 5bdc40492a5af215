namespace Mcdrl

open System.Threading

/// How far a long operation has come.
type ProgressStep =
    {
        /// What is being done, e.g. `training`; a change of it starts a new bar.
        Stage: string
        /// Units done, 0 to `Total`.
        Done: int
        /// Units in the stage; 0 when unknown.
        Total: int
        /// A few words on the present state, e.g. `loss 0.31`; may be empty.
        Note: string
    }

/// Whom a long operation tells how far it has come, and what asks it to stop. The last argument of every function
/// that takes one.
[<NoEquality; NoComparison>]
type Progress =
    {
        /// Called from the thread that does the work; must return quickly.
        Tell: ProgressStep -> unit
        /// Asks the operation to stop; it then ends in `McdrlError.Cancelled`.
        Cancel: CancellationToken
    }

    /// Whether the operation is to stop.
    member progress.IsCancelled = progress.Cancel.IsCancellationRequested

/// Progress values for callers that show none.
[<RequireQualifiedAccess>]
module Progress =
    /// For callers that don't want to know, and let the operation end.
    let none: Progress =
        {
            Tell = ignore
            Cancel = CancellationToken.None
        }

    /// For callers that don't want to know, and may stop the operation.
    let until cancel : Progress = { none with Cancel = cancel }
