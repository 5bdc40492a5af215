/// The three descriptors that a process is begun with. Where its parent closed one, whatever file is opened next gets the
/// number, and what is printed would be written into that file.
[<RequireQualifiedAccess>]
module Mcdrl.Cli.Descriptors

open System
open System.IO
open System.Runtime.InteropServices
open System.Text

[<DllImport("libc", EntryPoint = "fcntl", SetLastError = true)>]
extern int private control(int descriptor, int command)

[<DllImport("libc", EntryPoint = "open", SetLastError = true)>]
extern int private openFile(string path, int flags)

[<DllImport("libc", EntryPoint = "dup2", SetLastError = true)>]
extern int private duplicate(int descriptor, int number)

[<DllImport("libc", EntryPoint = "close")>]
extern int private close(int descriptor)

[<DllImport("libc", EntryPoint = "write", SetLastError = true)>]
extern nativeint private writeBytes(int descriptor, byte[] bytes, nativeint count)

[<DllImport("libc", EntryPoint = "execv", SetLastError = true)>]
extern int private execute(string path, nativeint[] arguments)

let private getFlags = 1
let private closedOnExec = 1
let private readAndWrite = 2

/// How a descriptor came about: handed over by the parent, not there, or given meanwhile to a file of the runtime's own. Those alone
/// are closed when another program is run; what came from the parent has just survived that.
type private Origin =
    | Handed
    | Closed
    | Taken

let private originOf number =
    match control (number, getFlags) with
    | -1 -> Closed
    | flags when flags &&& closedOnExec <> 0 -> Taken
    | _ -> Handed

/// Reading what isn't there gives nothing; writing it fails, as on a full disk.
let private standIn number =
    if number = 0 then "/dev/null" else "/dev/full"

/// Whether something could be put there.
let private plug number =
    let descriptor = openFile (standIn number, readAndWrite)

    if descriptor < 0 || descriptor = number then
        descriptor = number
    else
        let number = duplicate (descriptor, number)
        close descriptor |> ignore
        number >= 0

/// Runs this process's program anew with its arguments; comes back only where that can't be.
let private beginAnew () =
    // Each argument ends in a NUL; after the last one comes nothing, where execv wants null.
    let arguments =
        (File.ReadAllBytes "/proc/self/cmdline" |> Encoding.UTF8.GetString).Split '\000'

    let pointers =
        arguments
        |> Array.truncate (arguments.Length - 1)
        |> Array.map Marshal.StringToCoTaskMemUTF8

    execute ("/proc/self/exe", [| yield! pointers; 0n |]) |> ignore

/// What isn't told cannot be helped: there is no output to tell it on.
let private giveUp () : unit = exit 5

/// Puts something in the place of each descriptor that the parent closed. Where a file of the runtime's has the number by now,
/// the program begins anew, as that file can't be moved.
let settle () =
    let missing =
        [
            for number in 0..2 do
                match originOf number with
                | Handed -> ()
                | origin -> number, origin
        ]

    if not missing.IsEmpty then
        try
            let plugged = missing |> List.map (fun (number, _) -> plug number)

            if List.contains false plugged then
                giveUp ()
            elif List.exists (fun (_, origin) -> origin = Taken) missing then
                beginAnew ()
                giveUp ()
        with
        | :? IOException
        | :? UnauthorizedAccessException -> giveUp ()

/// What the system says of a number, besides the two that only ask to try again.
let private interrupted, private wouldBlock = 4, 11

/// Writes to a descriptor as it is: unlike the console's own stream, it also says when nobody reads a pipe any more.
type private DescriptorStream(number: int) =
    inherit Stream()

    override _.CanRead = false
    override _.CanSeek = false
    override _.CanWrite = true
    override _.Length = raise (NotSupportedException())

    override _.Position
        with get () = raise (NotSupportedException())
        and set _ = raise (NotSupportedException())

    override _.Flush() = ()
    override _.Read(_: byte[], _: int, _: int) : int = raise (NotSupportedException())
    override _.Seek(_, _) = raise (NotSupportedException())
    override _.SetLength _ = raise (NotSupportedException())

    override _.Write(bytes: byte[], offset: int, count: int) =
        let mutable rest = bytes[offset .. offset + count - 1]

        while rest.Length > 0 do
            match int (writeBytes (number, rest, nativeint rest.Length)) with
            | -1 ->
                match Marshal.GetLastPInvokeError() with
                | error when error = interrupted -> ()
                | error when error = wouldBlock -> Threading.Thread.Sleep 1
                | error -> raise (IOException(Marshal.GetPInvokeErrorMessage error, error))
            | written -> rest <- rest[written..]

/// Text to a descriptor, in the terminal's encoding.
let writer (number: int) : TextWriter =
    let encoding =
        match Console.OutputEncoding with
        | :? UTF8Encoding -> UTF8Encoding false :> Encoding
        | other -> other

    new StreamWriter(new DescriptorStream(number), encoding, AutoFlush = true)
