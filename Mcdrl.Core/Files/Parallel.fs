namespace Mcdrl

open System
open System.Runtime.ExceptionServices
open System.Threading
open System.Threading.Tasks

/// Many independent items at once. `BatchModule` to C#, which would take it for the training batch of the core.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Batch =
    /// How many items are worked on at once: one a processor.
    let workers (items: 'item array) =
        max 1 (min Environment.ProcessorCount items.Length)

    /// How many results a worker may be ahead of the oldest item that is still worked on.
    let private ahead = 4

    /// What the workers of one batch share. Every member may be called from any of them.
    type private Course<'item, 'result>
        (items: 'item array, workers: int, stage, report: Report, cancel, finished) =
        let gate = obj ()

        /// Results that wait for an older item, at their index modulo the length.
        let waiting = Array.create<'result voption> (ahead * workers) ValueNone
        let mutable begun = 0
        let mutable handedOn = 0
        let mutable failed = false

        let isOver () =
            failed
            || begun = items.Length
            || (cancel: CancellationToken).IsCancellationRequested

        let handOn (result: 'result) =
            finished items[handedOn] result
            handedOn <- handedOn + 1

            report
                {
                    Stage = stage
                    Done = handedOn
                    Total = items.Length
                    Note = ""
                }

        /// The index of the next item, as soon as its result would have a place to wait; none when all are begun, one has
        /// failed or the batch is cancelled.
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
        (report: Report)
        (cancel: CancellationToken)
        (work: 'item -> 'result)
        (finished: 'item -> 'result -> unit)
        (items: 'item array)
        : Result<unit, McdrlError> =
        let workers = workers items
        let course = Course(items, workers, stage, report, cancel, finished)

        let rec go () =
            match course.Take() with
            | ValueSome index ->
                course.Give index (work items[index])
                go ()
            | ValueNone -> ()

        let worker () =
            try
                go ()
            with _ ->
                course.Fail()
                reraise ()

        // A thread keeps the number of torch threads that it first computes with, so the pool's are left alone.
        let start _ =
            Task.Factory.StartNew(worker, TaskCreationOptions.LongRunning)

        try
            Task.WaitAll(Array.init workers start)
            cancel.ThrowIfCancellationRequested()
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
    let each
        stage
        (report: Report)
        (cancel: CancellationToken)
        (work: 'item -> 'result)
        (items: 'item array)
        =
        let results = ResizeArray<'result> items.Length

        inOrder stage report cancel work (fun _ result -> results.Add result) items
        |> Result.map results.ToArray
