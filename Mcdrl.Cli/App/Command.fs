/// The command as a process: signals in, exit code out.
[<RequireQualifiedAccess>]
module Mcdrl.Cli.Command

open System
open System.IO
open System.Runtime.InteropServices
open System.Threading
open Mcdrl

/// Leaves without running anything further: libtorch's threads may be in the middle of a computation, it may still be
/// loading, and to unload it takes a tenth of a second that nobody needs.
[<DllImport("libc", EntryPoint = "_exit")>]
extern void private leave(int code)

/// `leave`, with no half-written file left beside those that it was to replace.
let private leaveNow code =
    Temporaries.forgetAll ()
    leave code

/// How long a verb may take to stop by itself, and again once it has put things in order.
let private grace = 250

/// Ends the process when the grace is over and nothing is being put in order, such as a checkpoint.
let private leaveSoon () =
    Thread.Sleep grace

    while Interruption.isFinishing () do
        Thread.Sleep grace

    leaveNow 130

/// The first signal asks the running verb to stop and save; the second ends the process.
let private onSignal (err: TextWriter) (source: CancellationTokenSource) (context: PosixSignalContext) =
    context.Cancel <- true

    if source.IsCancellationRequested then
        leaveNow 130
    else
        Thread(leaveSoon, IsBackground = true).Start()
        source.Cancel()
        err.WriteLine "Stopping. Once more to stop at once."

/// Runs the arguments as one of the verbs and ends the process.
let run verbs arguments : int =
    Descriptors.settle ()
    let out, err = new Outlet(Descriptors.writer 1), new Outlet(Descriptors.writer 2)

    // Of a thread that is none of ours: what is left is to say it, and to end in a code that is documented.
    AppDomain.CurrentDomain.UnhandledException.Add(fun thrown ->
        match thrown.ExceptionObject with
        | :? exn as problem -> err.WriteLine(McdrlError.describe (Guard.error "mcdrl" problem))
        | _ -> ()

        leaveNow 5)

    use source = new CancellationTokenSource()
    let handler = Action<PosixSignalContext>(onSignal err source)
    use _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, handler)
    use _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, handler)
    // The terminal was closed; where `nohup` ignores that, so does this.
    use _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, handler)

    let code =
        App.run
            verbs
            {
                Json = false
                Out = out
                Err = err
                Terminal = not Console.IsErrorRedirected
                Cancel = source.Token
            }
            arguments

    leaveNow code
    code
