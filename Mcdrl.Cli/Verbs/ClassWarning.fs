namespace Mcdrl.Cli

open Mcdrl

/// Tells who trains of classes that they have no frame of.
[<RequireQualifiedAccess>]
module ClassWarning =
    /// Says so about the sites that are used; a dataset that can't be read is left to who reads it next.
    let say (session: Session) (data: string) (isUsed: string -> bool) =
        Dataset.load data
        |> Result.map (fun dataset ->
            dataset.Sites
            |> List.filter (fun site -> isUsed site.Name)
            |> DatasetCheck.absentClasses dataset session.Cancel)
        |> Result.defaultValue []
        |> List.iter (fun name ->
            Session.warn
                session
                (Printable.line $"The class {name} is in no frame that is trained on: it can't be learned."))
