namespace Mcdrl

open System
open System.Runtime.ExceptionServices
open System.Threading
open System.Threading.Tasks

/// Many independent items at once. `ParallelModule` to C#, which has a `Parallel` of its own.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Parallel =
    /// How many items are worked on at once: one a processor.
    let workers (items: 'item array) =
        max 1 (min Environment.ProcessorCount items.Length)

    /// How many results a worker may be ahead of the oldest item that is still worked on.
    let private ahead = 4

    /// What the workers share: the items yet to begin, and the results yet to hand on. Every member may be called from
    /// any of them.
    type private OrderedQueue<'item, 'result>
        (items: 'item array, workers: int, stage, finished, progress: Progress) =
        let gate = obj ()

        /// Results that wait for an older item, at their index modulo the length.
        let waiting = Array.create<'result voption> (ahead * workers) ValueNone
        let mutable begun = 0
        let mutable handedOn = 0
        let mutable failed = false

        let isOver () =
            failed || begun = items.Length || progress.IsCancelled

        let handOn (result: 'result) =
            finished items[handedOn] result
            handedOn <- handedOn + 1

            progress.Tell
                {
                    Stage = stage
                    Done = handedOn
                    Total = items.Length
                    Note = ""
                }

        /// The index of the next item, as soon as its result would have a place to wait; none when all are begun, one has
        /// failed or the work is cancelled.
        member _.Take() =
            lock gate (fun () ->
                while begun - handedOn >= waiting.Length && not (isOver ()) do
                    Monitor.Wait gate |> ignore

                if isOver () then
                    ValueNone
                else
                    begun <- begun + 1
                    ValueSome(begun - 1))

        /// Takes in the result of an item and hands on all that no longer wait for an older one.
        member _.Give index result =
            lock gate (fun () ->
                waiting[index % waiting.Length] <- ValueSome result
                let mutable next = waiting[handedOn % waiting.Length]

                while next.IsSome do
                    waiting[handedOn % waiting.Length] <- ValueNone
                    handOn next.Value
                    next <- waiting[handedOn % waiting.Length]

                Monitor.PulseAll gate)

        /// Lets the other workers end.
        member _.Fail() =
            lock gate (fun () ->
                failed <- true
                Monitor.PulseAll gate)

    /// Runs `work` over the items on all processors and hands each item with its result to `finished` as soon as the
    /// items before it are done: in order and one at a time. Only a few results a processor ever wait, however many
    /// items there are. What a single item computes with is left to `work`.
    let inOrder
        stage
        (work: 'item -> 'result)
        (finished: 'item -> 'result -> unit)
        (items: 'item array)
        (progress: Progress)
        : Result<unit, McdrlError> =
        let workers = workers items
        let queue = OrderedQueue(items, workers, stage, finished, progress)

        let rec go () =
            match queue.Take() with
            | ValueSome index ->
                queue.Give index (work items[index])
                go ()
            | ValueNone -> ()

        let worker () =
            try
                go ()
            with _ ->
                queue.Fail()
                reraise ()

        // A thread keeps the number of torch threads that it first computes with, so the pool's are left alone.
        let start _ =
            Task.Factory.StartNew(worker, TaskCreationOptions.LongRunning)

        try
            Task.WaitAll(Array.init workers start)
            progress.Cancel.ThrowIfCancellationRequested()
            Ok()
        with
        | :? OperationCanceledException -> Error McdrlError.Cancelled
        | :? AggregateException as several ->
            match several.InnerExceptions[0] with
            | :? OperationCanceledException -> Error McdrlError.Cancelled
            | first ->
                ExceptionDispatchInfo.Throw first
                Error McdrlError.Cancelled

    /// `inOrder`, with all results kept.
    let each stage (work: 'item -> 'result) (items: 'item array) (progress: Progress) =
        let results = ResizeArray<'result> items.Length

        inOrder stage work (fun _ result -> results.Add result) items progress
        |> Result.map results.ToArray
