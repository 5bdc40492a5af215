namespace Mcdrl.Cli

open System
open System.IO
open System.Text

/// A writer that goes on when what it writes to fails: a disk is full, a reader has gone, the parent closed it. The first failure is kept, and
/// nothing is written after it. Any number of threads may write.
type Outlet(inner: TextWriter) =
    inherit TextWriter()
    let gate = obj ()
    let mutable failure: exn option = None

    let attempt (write: unit -> unit) =
        lock gate (fun () ->
            if failure.IsNone then
                try
                    write ()
                with
                | :? IOException
                | :? UnauthorizedAccessException
                | :? ObjectDisposedException as problem -> failure <- Some problem)

    /// Why not all of it was written.
    member _.Failure = failure

    override _.Encoding = inner.Encoding
    override _.Write(letter: char) = attempt (fun () -> inner.Write letter)
    override _.Write(text: string | null) = attempt (fun () -> inner.Write text)

    override _.Write(letters: char[], index: int, count: int) =
        attempt (fun () -> inner.Write(letters, index, count))

    override _.WriteLine(line: string | null) =
        attempt (fun () -> inner.WriteLine line)

    override _.Flush() = attempt inner.Flush

    /// The writer itself if it is one, or one over it.
    static member over(writer: TextWriter) : Outlet =
        match writer with
        | :? Outlet as outlet -> outlet
        | other -> new Outlet(other)
