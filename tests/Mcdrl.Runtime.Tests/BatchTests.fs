module Mcdrl.Runtime.Tests.BatchTests

open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let tests =
    testSequenced (
        testList
            "Batch"
            [
                testCase "results are in order, progress counts to the end, torch's threads are as before"
                <| fun () ->
                    let seen = ResizeArray()
                    let threads = torch.get_num_threads ()

                    let results =
                        Batch.run "squares" seen.Add CancellationToken.None (fun n -> n * n) [| 0..99 |]

                    Expect.equal results (Ok [| for n in 0..99 -> n * n |]) "in order"
                    Expect.equal [ for progress in seen -> progress.Done ] [ 1..100 ] "counts"
                    Expect.all seen (fun progress -> progress.Total = 100) "total"
                    Expect.equal (torch.get_num_threads ()) threads "threads"

                testCase "nothing to do is done"
                <| fun () ->
                    let results =
                        Batch.run "none" Report.none CancellationToken.None (fun (n: int) -> n) [||]

                    Expect.equal results (Ok [||]) "none"

                testCase "a cancelled batch stops early and says so"
                <| fun () ->
                    use stop = new CancellationTokenSource()
                    let mutable started = 0
                    let threads = torch.get_num_threads ()

                    let work number =
                        Interlocked.Increment(&started) |> ignore
                        stop.Cancel()
                        Thread.Sleep 1
                        number

                    let results = Batch.run "long" Report.none stop.Token work [| 0..9999 |]
                    Expect.equal results (Error McdrlError.Cancelled) "cancelled"
                    Expect.isLessThan started 1000 "early"
                    Expect.equal (torch.get_num_threads ()) threads "threads"
            ]
    )
