module Mcdrl.Tests.Folder

open System
open System.IO
open System.Runtime.InteropServices

/// A fresh folder for `work`, removed afterwards.
let temporary (work: string -> 'a) : 'a =
    let folder = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}")
    Directory.CreateDirectory folder |> ignore

    try
        work folder
    finally
        Directory.Delete(folder, true)

[<DllImport("libc", EntryPoint = "mkfifo", SetLastError = true)>]
extern int private mkfifo(string path, int mode)

/// Makes a named pipe that nobody writes to or reads from.
let pipe (path: string) =
    if mkfifo (path, 0o600) <> 0 then
        failwith $"mkfifo {path}: {Marshal.GetLastPInvokeErrorMessage()}"
