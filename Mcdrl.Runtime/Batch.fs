namespace Mcdrl

open System
open System.Threading
open System.Threading.Tasks
open TorchSharp

/// Many independent items at once.
[<RequireQualifiedAccess>]
module Batch =
    /// Runs `work` over the items on all processors, one torch thread each, which for many small images is faster than
    /// all threads on one image. Only as many items are in flight as there are processors. Results are in order.
    let run stage (report: Report) (cancel: CancellationToken) (work: 'item -> 'result) (items: 'item array) =
        let results = Array.zeroCreate<'result> items.Length
        let workers = max 1 (min Environment.ProcessorCount items.Length)
        let before = torch.get_num_threads ()
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
            torch.set_num_threads (max 1 (before / workers))

            try
                Task.WaitAll(Array.init workers worker)
                cancel.ThrowIfCancellationRequested()
                Ok results
            with :? OperationCanceledException ->
                Error McdrlError.Cancelled
        finally
            torch.set_num_threads before
