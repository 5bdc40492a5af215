namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Text

/// How long the file system lets a file's name be.
[<RequireQualifiedAccess>]
module NameLimit =
    [<DllImport("libc", EntryPoint = "pathconf", SetLastError = true)>]
    extern nativeint private pathconf(string path, int name)

    /// _PC_NAME_MAX of Linux, and what nearly all file systems take.
    let private longestName, private usual = 3, 255

    let rec private existing (folder: string) =
        match Path.GetDirectoryName folder with
        | null -> folder
        | _ when Directory.Exists folder -> folder
        | parent -> existing parent

    /// Bytes that a name in this folder, which need not exist yet, may have.
    let inFolder (folder: string) : int =
        if OperatingSystem.IsLinux() then
            match int (pathconf (existing (Path.GetFullPath folder), longestName)) with
            | limit when limit > 0 -> limit
            | _ -> usual
        else
            usual

    /// Bytes of the name of the file that a path leads to.
    let length (path: string) : int =
        Path.GetFileName path
        |> Option.ofObj
        |> Option.defaultValue ""
        |> Encoding.UTF8.GetByteCount
