namespace Mcdrl.Cli

open Mcdrl

/// Tells who trains of classes that they have no frame of.
[<RequireQualifiedAccess>]
module ClassWarning =
    /// Says so about the sites that are used.
    let say (session: Session) (dataset: Dataset) (used: DatasetSite list) =
        for name in DatasetCheck.absentClasses dataset session.Cancel used do
            Session.warn
                session
                (Printable.line $"The class {name} is in no frame that is trained on: it can't be learned.")
