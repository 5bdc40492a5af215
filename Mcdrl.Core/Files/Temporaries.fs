namespace Mcdrl

open System
open System.Collections.Concurrent
open System.IO
open System.Text.RegularExpressions

/// The files that are written beside those that they then replace. A process that is killed leaves its own behind; whoever
/// writes to the folder next deletes them.
[<RequireQualifiedAccess>]
module Temporaries =
    let private isOne =
        Regex(@"^\.mcdrl-[0-9a-f]{32}\.tmp$", RegexOptions.CultureInvariant)

    let private live = ConcurrentDictionary<string, byte>()
    let mutable private isOver = false
    let private swept = ConcurrentDictionary<string, byte>()

    /// A younger one may belong to somebody who has not locked it yet, or writes it from another machine where the file system
    /// has no locks.
    let private youngest = TimeSpan.FromHours 1.0

    /// Whether whoever writes a file is gone: the system lets go of a lock when its process ends, however it ends.
    let private isForsaken (path: string) =
        let file = FileInfo path

        let isPlain =
            isNull file.LinkTarget
            && FileIdentity.ofPath path
               |> Option.exists (fun found -> found.Kind = FileKind.PlainFile)

        if isPlain && DateTime.UtcNow - file.LastWriteTimeUtc > youngest then
            use _locked =
                new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1)

            true
        else
            false

    /// Deletes those of a folder whose writers are gone. What can't be deleted stays.
    let sweep (folder: string) =
        for path in Directory.GetFiles(folder, ".mcdrl-*.tmp") do
            if isOne.IsMatch(nonNull (Path.GetFileName path)) then
                try
                    if isForsaken path then
                        File.Delete path
                with
                | :? IOException
                | :? UnauthorizedAccessException -> ()

    /// The name of a new one in a folder, for a file that is looked at before it takes the place of another. It is deleted when this
    /// process ends at once; once it is written, `hold` keeps it from others.
    let path (folder: string) : string =
        let path = Path.Combine(folder, $".mcdrl-{Guid.NewGuid():N}.tmp")

        lock live (fun () ->
            if isOver then
                raise (OperationCanceledException())

            live[path] <- 0uy)

        path

    /// Keeps one from being taken for forsaken, until disposed. It can still be read by anybody.
    let hold (path: string) : IDisposable =
        new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1)

    /// A new one in a folder, held until it is closed. The first in a folder sweeps it.
    let create (folder: string) : FileStream =
        if swept.TryAdd(folder, 0uy) then
            try
                sweep folder
            with
            | :? IOException
            | :? UnauthorizedAccessException -> ()

        lock live (fun () ->
            let path = path folder

            try
                new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None)
            with _ ->
                live.TryRemove path |> ignore
                reraise ())

    /// Deletes one if it still goes by that name.
    let forget (path: string) =
        File.Delete path
        live.TryRemove path |> ignore

    /// Deletes those that this process is writing, and lets it make no other: before it ends without waiting for its threads.
    let forgetAll () =
        lock live (fun () ->
            isOver <- true

            for path in live.Keys do
                try
                    forget path
                with
                | :? IOException
                | :? UnauthorizedAccessException -> ())
