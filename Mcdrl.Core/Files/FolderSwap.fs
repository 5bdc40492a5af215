namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices

/// Puts files that belong together into a folder, so that whoever looks, or a power cut, finds the old ones or the new ones.
[<RequireQualifiedAccess>]
module FolderSwap =
    [<DllImport("libc", EntryPoint = "renameat2", SetLastError = true)>]
    extern int private renameat2(int fromFolder, string from, int toFolder, string toPath, uint flags)

    /// Paths are not relative to an open folder.
    let private here = -100

    /// Both paths exist, and each takes the other's place.
    let private exchanging = 2u

    /// Whether two folders of one file system took each other's place.
    let private exchange (one: string) (other: string) =
        try
            OperatingSystem.IsLinux() && renameat2 (here, one, here, other, exchanging) = 0
        with :? EntryPointNotFoundException ->
            false

    /// The folder that a path leads to through links.
    let private real (folder: string) =
        let full = Path.TrimEndingDirectorySeparator(Path.GetFullPath folder)
        FileIdentity.realPath full |> Option.defaultValue full

    /// Moves what `from` holds and `into` doesn't.
    let private keepOthers (from: string) (into: string) =
        for entry in DirectoryInfo(from).EnumerateFileSystemInfos() do
            let target = Path.Combine(into, entry.Name)

            if not (Path.Exists target) then
                match entry with
                | :? DirectoryInfo as folder -> folder.MoveTo target
                | entry -> File.Move(entry.FullName, target)

    /// Calls `write` with an empty folder, whose files then stand in `folder`, in place of those of the same names; whatever else is
    /// in it stays. `last` is the file that vouches for the others: where the file system can't exchange folders, it is moved last.
    let replace
        (folder: string)
        (last: string)
        (write: string -> Result<unit, McdrlError>)
        : Result<unit, McdrlError> =
        let moved staged =
            Files.attempt folder (fun () ->
                let target = real folder

                if not (Directory.Exists target) then
                    Directory.Move(staged, target)
                elif exchange staged target then
                    keepOthers staged target
                else
                    let names = Directory.GetFiles staged |> Array.map (Path.GetFileName >> string)

                    for name in names |> Array.sortBy ((=) last) do
                        File.Move(Path.Combine(staged, name), Path.Combine(target, name), true)

                Files.settle ())

        Files.attempt folder (fun () ->
            let parent =
                Path.GetDirectoryName(real folder) |> Option.ofObj |> Option.defaultValue "."

            let staged = Path.Combine(parent, $".mcdrl-{Guid.NewGuid():N}.tmp")
            Directory.CreateDirectory staged |> ignore

            try
                write staged |> Result.bind (fun () -> moved staged)
            finally
                if Directory.Exists staged then
                    for file in Directory.GetFiles staged do
                        File.Delete file

                    Directory.Delete staged)
        |> Result.bind id
