namespace Mcdrl

open System
open System.IO
open System.Reflection

/// Which Mcdrl this is.
[<RequireQualifiedAccess>]
module Product =
    /// The version of the assemblies: the release and, after a plus sign, the commit where the build knew it.
    let version =
        Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()
        |> Option.ofObj
        |> Option.map _.InformationalVersion
        |> Option.defaultValue "0.0.0"

    /// What everything that is handed out says.
    let notice = "Research software, not for clinical use."

    /// The release alone, recorded with everything that is written.
    let release = version.Split('+')[0]

    /// A folder that comes with the product, such as `models/mini`: beside the program or in a folder above it.
    let folder (relative: string) : string option =
        let rec climb (folder: DirectoryInfo | null) =
            match folder with
            | null -> None
            | folder ->
                let candidate = Path.Combine(folder.FullName, relative)

                if Directory.Exists candidate then
                    Some candidate
                else
                    climb folder.Parent

        climb (DirectoryInfo AppContext.BaseDirectory)
