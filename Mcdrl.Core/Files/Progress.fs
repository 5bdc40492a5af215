namespace Mcdrl

/// How far a long operation has come.
type Progress =
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

/// Where Runtime's operations report to. Called from the thread that does the work; must return quickly.
type Report = Progress -> unit

[<RequireQualifiedAccess>]
module Report =
    /// For callers that don't want to know.
    let none: Report = ignore
