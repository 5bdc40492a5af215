namespace Mcdrl

open System
open TorchSharp

/// How many threads torch computes one item with while many items are worked on side by side.
[<RequireQualifiedAccess>]
module TorchThreads =
    let private gate = obj ()
    let mutable private sharing = 0
    let mutable private before = 0

    let private giveBack () =
        lock gate (fun () ->
            sharing <- sharing - 1

            if sharing = 0 then
                torch.set_num_threads before)

    /// Divides torch's threads between so many items at once, until disposed: one thread an item is faster than all threads
    /// on one item after the other. Where several batches run at the same time, the last to end puts torch's number of
    /// threads back.
    let share (workers: int) : IDisposable =
        lock gate (fun () ->
            if sharing = 0 then
                before <- torch.get_num_threads ()

            sharing <- sharing + 1
            torch.set_num_threads (max 1 (before / workers)))

        { new IDisposable with
            member _.Dispose() = giveBack ()
        }

    /// `Parallel.each` with one torch thread an item. What an item's work throws is that item's error.
    let run stage (work: 'item -> Result<'result, McdrlError>) (items: 'item array) (progress: Progress) =
        use _shared = share (Parallel.workers items)
        Parallel.each stage (fun item -> Guard.run stage (fun () -> work item)) items progress
