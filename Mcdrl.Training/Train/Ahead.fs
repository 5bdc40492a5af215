namespace Mcdrl

open System
open System.Collections.Generic
open System.Runtime.ExceptionServices
open System.Threading
open TorchSharp

/// Results 0 .. count − 1 of `make`, made in that order on a thread of its own with a single torch thread, at most `limit`
/// of them ahead of whoever takes them. Tensors in a result must be in no scope: it crosses threads. A result that nobody
/// takes is handed to `discard`.
[<Sealed>]
type internal Ahead<'result>(limit: int, count: int, make: int -> 'result, discard: 'result -> unit) =
    let gate = obj ()
    let ready = Queue<Result<'result, exn>>()
    let mutable stopped = false

    /// Waits for a place and says whether there is still anything to make.
    let hasPlace () =
        lock gate (fun () ->
            while ready.Count >= limit && not stopped do
                Monitor.Wait gate |> ignore

            not stopped)

    let give result =
        lock gate (fun () ->
            ready.Enqueue result
            Monitor.PulseAll gate)

    let rec from index =
        if index < count && hasPlace () then
            let made =
                try
                    Ok(make index)
                with problem ->
                    Error problem

            give made

            if made.IsOk then
                from (index + 1)

    let thread =
        let settled = new ManualResetEventSlim()

        let thread =
            FlushedThread.make (fun () ->
                // A thread takes over the number for all when it first asks, so it asks before it sets its own.
                torch.get_num_threads () |> ignore
                torch.set_num_threads 1
                settled.Set()
                from 0)

        // torch's number of threads is one for all, but a thread keeps what it has set: it is set back for the others.
        let others = torch.get_num_threads ()
        thread.Start()
        settled.Wait()
        torch.set_num_threads others
        thread

    /// The next result, as soon as it is made. What `make` raised is raised here, in its place in the order.
    member _.Take() : 'result =
        let next =
            lock gate (fun () ->
                while ready.Count = 0 do
                    Monitor.Wait gate |> ignore

                let next = ready.Dequeue()
                Monitor.PulseAll gate
                next)

        match next with
        | Ok result -> result
        | Error problem ->
            ExceptionDispatchInfo.Throw problem
            raise problem

    interface IDisposable with
        /// Waits for the result that is being made.
        member _.Dispose() =
            lock gate (fun () ->
                stopped <- true
                Monitor.PulseAll gate)

            thread.Join()

            for made in ready do
                Result.iter discard made

            ready.Clear()
