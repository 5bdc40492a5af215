namespace Mcdrl.Tests

open System
open System.IO
open Expecto

/// The folder `shared` beside the repository: fixtures and weights that are not part of it.
[<RequireQualifiedAccess>]
module Shared =
    let private root =
        let rec climb (folder: DirectoryInfo | null) =
            match folder with
            | null -> None
            | found when File.Exists(Path.Combine(found.FullName, "Mcdrl.sln")) ->
                let shared = Path.Combine(found.FullName, "..", "shared")

                if Directory.Exists shared then
                    Some(Path.GetFullPath shared)
                else
                    None
            | inner -> climb inner.Parent

        climb (DirectoryInfo AppContext.BaseDirectory)

    /// The path of a file or folder in `../shared`; skips the running test where there is none.
    let path (relative: string) : string =
        match root with
        | None -> skiptest "skipped, no ../shared"
        | Some folder -> Path.Combine(folder, relative)
