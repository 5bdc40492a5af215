namespace Mcdrl

open System
open System.Threading
open System.Threading.Tasks

/// Work that its caller can let go of at any moment: decoding, computing and drawing one picture, most of it in libraries that
/// can't be asked to stop.
[<RequireQualifiedAccess>]
module Interruption =
    let private letGo = AsyncLocal<CancellationToken>()

    /// Whether the work on this thread has been let go of.
    let isLetGo () = letGo.Value.IsCancellationRequested

    /// Throws `OperationCanceledException` where the work on this thread has been let go of. Between two stages, and before
    /// anything that would be seen from outside.
    let check () =
        letGo.Value.ThrowIfCancellationRequested()

    let mutable private finishing = 0

    /// Runs work that puts things in order when it is cancelled, such as training, which writes a checkpoint: a process that is asked to end
    /// waits for it.
    let finishes (work: unit -> 'a) : 'a =
        Interlocked.Increment &finishing |> ignore

        try
            work ()
        finally
            Interlocked.Decrement &finishing |> ignore

    /// Whether such work is being done.
    let isFinishing () = Volatile.Read &finishing > 0

    /// How long work that is to stop may take to its next `check` before it is let go of.
    let private patience = TimeSpan.FromMilliseconds 150.0

    /// What `work` gives. Within a fifth of a second of `cancel` `OperationCanceledException` is thrown: the work, which always begins, goes on to
    /// its next `check` on a thread of its own, and nobody sees what it gives. It must not use what its caller frees.
    let during (cancel: CancellationToken) (work: unit -> 'a) : 'a =
        if not cancel.CanBeCanceled then
            work ()
        else
            let worker () =
                letGo.Value <- cancel
                work ()

            let task =
                Task.Factory.StartNew(
                    worker,
                    CancellationToken.None,
                    TaskCreationOptions.LongRunning,
                    TaskScheduler.Default
                )

            try
                task.Wait cancel
            with
            | :? AggregateException -> ()
            | :? OperationCanceledException -> Task.WaitAny([| task :> Task |], patience) |> ignore

            if not task.IsCompleted then
                // Seen here, or else it would be reported as seen by nobody.
                task.ContinueWith(fun (ended: Task<'a>) -> ended.Exception |> ignore) |> ignore

                cancel.ThrowIfCancellationRequested()

            task.GetAwaiter().GetResult()
