namespace Mcdrl

open System
open System.Collections.Concurrent
open System.Runtime.ExceptionServices
open System.Threading
open System.Threading.Tasks

/// `Parallel.inOrder` for items that come one by one and whose number nobody knows: while some are worked on, others are read,
/// and finished ones are handed on by the calling thread.
[<RequireQualifiedAccess>]
module internal FrameQueue =
    /// Items between the one that is read and the one that is handed on, a worker.
    let private ahead = 3

    /// How long answers that are under way are waited for when the work is stopped.
    let private patience = TimeSpan.FromMilliseconds 150.0

    /// Waits for a task to end, however it does: its error is seen here, or else it would be reported as seen by nobody.
    let private settled (wait: TimeSpan) (task: Task) =
        let ended = task.ContinueWith(fun (task: Task) -> task.Exception |> ignore)
        ended.Wait wait |> ignore

    /// Threads of their own: a thread keeps the number of torch threads that it first computes with.
    let private start (work: unit -> unit) =
        Task.Factory.StartNew(work, TaskCreationOptions.LongRunning)

    /// Runs `work` over the items on so many threads, and hands each with its result to `finished` in order. What any of them throws
    /// is thrown, after all have ended; where the work is stopped, `work` may end a little later, and must not use what its caller frees.
    let inOrder
        (workers: int)
        (items: 'item seq)
        (work: 'item -> 'result)
        (finished: 'item -> 'result -> unit)
        (cancel: CancellationToken)
        =
        let stop = CancellationTokenSource.CreateLinkedTokenSource cancel

        let todo =
            new BlockingCollection<'item * TaskCompletionSource<Result<'result, exn>>>(workers)

        let order =
            new BlockingCollection<'item * Task<Result<'result, exn>>>(ahead * workers)

        let read () =
            try
                for item in items do
                    let answer = TaskCompletionSource<_>()
                    order.Add((item, answer.Task), stop.Token)
                    todo.Add((item, answer), stop.Token)
            finally
                order.CompleteAdding()
                todo.CompleteAdding()

        let answerAll () =
            for item, answer in todo.GetConsumingEnumerable stop.Token do
                answer.SetResult(
                    try
                        Ok(work item)
                    with problem ->
                        Error problem
                )

        let handOn () =
            for item, answer in order.GetConsumingEnumerable stop.Token do
                answer.Wait stop.Token

                match answer.Result with
                | Ok result -> finished item result
                | Error problem -> ExceptionDispatchInfo.Throw problem

        let reader = start read
        let answering = List.init workers (fun _ -> start answerAll)

        try
            handOn ()
            reader.GetAwaiter().GetResult()
        finally
            stop.Cancel()
            settled Timeout.InfiniteTimeSpan reader

            // An answer under way may take longer than whoever stops the work would wait; nobody sees it.
            let wait =
                if cancel.IsCancellationRequested then
                    patience
                else
                    Timeout.InfiniteTimeSpan

            List.iter (settled wait) answering

        cancel.ThrowIfCancellationRequested()
