namespace Mcdrl.Tests

open System
open System.IO
open Expecto

/// The checkout that the tests were built in.
[<RequireQualifiedAccess>]
module Repository =
    /// Its top folder.
    let root: string =
        let rec climb (folder: DirectoryInfo | null) =
            match folder with
            | null -> failwith $"{AppContext.BaseDirectory} lies in no checkout of Mcdrl"
            | found when File.Exists(Path.Combine(found.FullName, "Mcdrl.sln")) -> found.FullName
            | inner -> climb inner.Parent

        climb (DirectoryInfo AppContext.BaseDirectory)

/// The folder `shared` beside the repository: fixtures and weights that are not part of it.
[<RequireQualifiedAccess>]
module Shared =
    let private root = Path.GetFullPath(Path.Combine(Repository.root, "..", "shared"))

    /// The path of a file or folder in `../shared`; skips the running test where there is none.
    let path (relative: string) : string =
        if Directory.Exists root then
            Path.Combine(root, relative)
        else
            skiptest "skipped, no ../shared"
