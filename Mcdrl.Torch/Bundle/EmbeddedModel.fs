namespace Mcdrl

open System
open System.IO
open System.Reflection

/// The small model that comes with the product, for when none is named. It has only ever seen simulated frames.
[<RequireQualifiedAccess>]
module EmbeddedModel =
    /// What to tell whoever uses it.
    let notice =
        "No model was named: using the embedded demo model, trained on simulated endoscopy alone. It shows how Mcdrl works; it is not for clinical use."

    /// Next to the program, or next to this assembly where another program hosts it.
    let private places =
        [
            AppContext.BaseDirectory
            yield!
                Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)
                |> Option.ofObj
                |> Option.toList
        ]
        |> List.filter ((<>) "")
        |> List.map (fun folder -> Path.Combine(folder, "models", "demo"))

    /// The bundle's folder.
    let folder () : Result<string, McdrlError> =
        match places |> List.tryFind Directory.Exists with
        | Some folder -> Ok folder
        | None ->
            Error(
                McdrlError.model
                    "the embedded model is not there"
                    (String.concat ", " (List.distinct places))
                    "Install Mcdrl again, or name a model"
            )
