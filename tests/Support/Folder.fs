module Mcdrl.Tests.Folder

open System
open System.IO

/// A fresh folder for `work`, removed afterwards.
let temporary (work: string -> 'a) : 'a =
    let folder = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}")
    Directory.CreateDirectory folder |> ignore

    try
        work folder
    finally
        Directory.Delete(folder, true)
