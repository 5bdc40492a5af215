module Mcdrl.Tests.TorchThreadsTests

open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private threads () = torch.get_num_threads ()

let tests =
    testSequenced (
        testList
            "TorchThreads"
            [
                testCase "they are divided between the items, and as before at the end"
                <| fun () ->
                    let before = threads ()

                    do
                        use _shared = TorchThreads.share 2
                        Expect.equal (threads ()) (max 1 (before / 2)) "divided"

                    Expect.equal (threads ()) before "as before"

                testCase "a batch gives them back, finished or stopped"
                <| fun () ->
                    let before = threads ()

                    let results =
                        TorchThreads.run "squares" (fun n -> Ok(n * n)) [| 0..99 |] Progress.none

                    Expect.equal results (Ok [| for n in 0..99 -> Ok(n * n) |]) "in order"
                    Expect.equal (threads ()) before "finished"
                    use stop = new CancellationTokenSource()

                    let work number =
                        stop.Cancel()
                        Ok number

                    let results = TorchThreads.run "long" work [| 0..9999 |] (Progress.until stop.Token)
                    Expect.equal results (Error McdrlError.Cancelled) "cancelled"
                    Expect.equal (threads ()) before "stopped"

                testCase "what an item throws is its error, and the others are done"
                <| fun () ->
                    let work number =
                        if number = 3 then
                            raise (System.OutOfMemoryException())

                        Ok number

                    let results = Outcome.ok (TorchThreads.run "halves" work [| 0..9 |] Progress.none)

                    for number, outcome in Array.indexed results do
                        if number = 3 then
                            Outcome.refusedWith 5 [ "halves"; "memory" ] outcome
                        else
                            Expect.equal outcome (Ok number) "done"

                testCase "of two batches at once the last to end puts them back"
                <| fun () ->
                    let before = threads ()
                    let first = TorchThreads.share 2
                    let second = TorchThreads.share 2
                    first.Dispose()
                    Expect.equal (threads ()) (max 1 (before / 2)) "one still runs"
                    second.Dispose()
                    Expect.equal (threads ()) before "as before"
            ]
    )
