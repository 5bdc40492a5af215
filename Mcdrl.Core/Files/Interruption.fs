namespace Mcdrl

open System
open System.Runtime.ExceptionServices
open System.Threading
open System.Threading.Tasks

/// Work that its caller can let go of at any moment: decoding, computing and drawing one picture, most of it in libraries that
/// can't be asked to stop.
[<RequireQualifiedAccess>]
module Interruption =
    let private letGo = AsyncLocal<CancellationToken>()

    /// Throws `OperationCanceledException` where the work on this thread has been let go of. Between two stages, and before
    /// anything that would be seen from outside.
    let check () =
        letGo.Value.ThrowIfCancellationRequested()

    /// What `work` gives. When `cancel` is set, `OperationCanceledException` is thrown at once: the work, which always begins, goes on to its
    /// next `check` on a thread of its own, and nobody sees what it gives. It must not use what its caller frees.
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
            | :? AggregateException as several ->
                ExceptionDispatchInfo.Throw several.InnerExceptions[0]
            | :? OperationCanceledException ->
                // Seen here, or else it would be reported as seen by nobody.
                task.ContinueWith(fun (ended: Task<'a>) -> ended.Exception |> ignore)
                |> ignore

                reraise ()

            task.Result
