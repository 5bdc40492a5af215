namespace Mcdrl

open System
open System.Threading
open System.Threading.Tasks
open TorchSharp

/// Many independent items at once.
[<RequireQualifiedAccess>]
module Batch =
    /// How many items are in flight: as many as there are processors.
    let private workers (items: 'item array) =
        max 1 (min Environment.ProcessorCount items.Length)

    /// Runs `work` over the items on all processors; what a single item computes with is left to `work`. Results are in
    /// order.
    let each
        stage
        (report: Report)
        (cancel: CancellationToken)
        (work: 'item -> 'result)
        (items: 'item array)
        =
        let results = Array.zeroCreate<'result> items.Length
        let mutable finished = 0
        let gate = obj ()

        let one index =
            results[index] <- work items[index]

            lock gate (fun () ->
                finished <- finished + 1

                report
                    {
                        Stage = stage
                        Done = finished
                        Total = items.Length
                        Note = ""
                    })

        let last = ref -1

        let rec go () =
            let index = Interlocked.Increment &last.contents

            if index < items.Length && not cancel.IsCancellationRequested then
                one index
                go ()

        // A thread keeps the number of torch threads that it first computes with, so the pool's are left alone.
        let worker _ =
            Task.Factory.StartNew(go, TaskCreationOptions.LongRunning)

        try
            Task.WaitAll(Array.init (workers items) worker)
            cancel.ThrowIfCancellationRequested()
            Ok results
        with :? OperationCanceledException ->
            Error McdrlError.Cancelled

    /// `each` with one torch thread an item, which for many small images is faster than all threads on one image.
    let run stage (report: Report) (cancel: CancellationToken) (work: 'item -> 'result) (items: 'item array) =
        let before = torch.get_num_threads ()

        try
            torch.set_num_threads (max 1 (before / workers items))
            each stage report cancel work items
        finally
            torch.set_num_threads before
