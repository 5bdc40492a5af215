namespace Mcdrl

open System
open System.IO
open System.Reflection

/// The model that comes with the product, for when none is named: polyps in still frames of colonoscopy.
[<RequireQualifiedAccess>]
module EmbeddedModel =
    /// What to tell whoever uses it.
    let notice =
        "No model was named: using the embedded one, for polyps in colonoscopy stills. Research software, not for clinical use."

    /// Next to the program, or next to this assembly where another program hosts it; in F# Interactive, in the unpacked package.
    let private places =
        let own =
            Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)
            |> Option.ofObj
            |> Option.filter ((<>) "")

        [
            AppContext.BaseDirectory
            for folder in Option.toList own do
                folder
                Path.GetFullPath(Path.Combine(folder, "..", ".."))
        ]
        |> List.map (fun folder -> Path.Combine(folder, "models", "polyp"))

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
