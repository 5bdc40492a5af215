/// The command as a process: signals in, exit code out.
[<RequireQualifiedAccess>]
module Mcdrl.Cli.Command

open System
open System.Runtime.InteropServices
open System.Threading

/// Leaves without running anything further: libtorch's threads may be in the middle of a computation, it may still be
/// loading, and to unload it takes a tenth of a second that nobody needs.
[<DllImport("libc", EntryPoint = "_exit")>]
extern void private leave(int code)

/// The first signal asks the running verb to stop and save; the second ends the process.
let private onSignal (source: CancellationTokenSource) (context: PosixSignalContext) =
    context.Cancel <- true

    if source.IsCancellationRequested then
        leave 130
    else
        Console.Error.WriteLine "Stopping. Once more to stop at once."
        source.Cancel()

/// Runs the arguments as one of the verbs and ends the process.
let run verbs arguments : int =
    use source = new CancellationTokenSource()
    let handler = Action<PosixSignalContext>(onSignal source)
    use _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, handler)
    use _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, handler)

    let code =
        App.run
            verbs
            {
                Json = false
                Out = Console.Out
                Err = Console.Error
                Terminal = not Console.IsErrorRedirected
                Cancel = source.Token
            }
            arguments

    Console.Out.Flush()
    Console.Error.Flush()
    leave code
    code
