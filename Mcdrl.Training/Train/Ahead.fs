namespace Mcdrl

open System
open System.Collections.Generic
open System.Runtime.ExceptionServices
open System.Threading
open TorchSharp

/// Results 0 .. count − 1 of `make`, taken in that order and made by so many threads with a single torch thread each, at most `limit`
/// of them ahead of whoever takes them. Tensors in a result must be in no scope: it crosses threads. A result that nobody
/// takes is handed to `discard`.
[<Sealed>]
type internal Ahead<'result>
    (threads: int, limit: int, count: int, make: int -> 'result, discard: 'result -> unit) =
    let gate = obj ()
    let made = Dictionary<int, Result<'result, exn>>()
    let mutable begun = 0
    let mutable taken = 0
    let mutable stopped = false

    /// The index of the next result to make, once there is a place for it.
    let next () =
        lock gate (fun () ->
            while not stopped && begun < count && begun - taken >= limit do
                Monitor.Wait gate |> ignore

            if stopped || begun = count then
                None
            else
                begun <- begun + 1
                Some(begun - 1))

    let give index result =
        lock gate (fun () ->
            made[index] <- result
            stopped <- stopped || Result.isError result
            Monitor.PulseAll gate)

    let rec work () =
        match next () with
        | None -> ()
        | Some index ->
            try
                Ok(make index)
            with problem ->
                Error problem
            |> give index

            work ()

    let worker () =
        use settled = new ManualResetEventSlim()

        let thread =
            FlushedThread.make (fun () ->
                // A thread takes over the number for all when it first asks, so it asks before it sets its own.
                torch.get_num_threads () |> ignore
                torch.set_num_threads 1
                settled.Set()
                work ())

        // torch's number of threads is one for all, but a thread keeps what it has set: it is set back for the others.
        let others = torch.get_num_threads ()
        thread.Start()
        settled.Wait()
        torch.set_num_threads others
        thread

    let workers = List.init (min threads count) (fun _ -> worker ())

    /// The next result, as soon as it is made. What `make` raised is raised here, in its place in the order.
    member _.Take() : 'result =
        let next =
            lock gate (fun () ->
                while not (made.ContainsKey taken) do
                    Monitor.Wait gate |> ignore

                let next = made[taken]
                made.Remove taken |> ignore
                taken <- taken + 1
                Monitor.PulseAll gate
                next)

        match next with
        | Ok result -> result
        | Error problem ->
            ExceptionDispatchInfo.Throw problem
            raise problem

    interface IDisposable with
        /// Waits for the results that are being made.
        member _.Dispose() =
            lock gate (fun () ->
                stopped <- true
                Monitor.PulseAll gate)

            for worker in workers do
                worker.Join()

            for result in made.Values do
                Result.iter discard result
