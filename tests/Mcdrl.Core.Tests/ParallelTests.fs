module Mcdrl.Tests.ParallelTests

open System.Threading
open Expecto
open Mcdrl

let tests =
    testSequenced (
        testList
            "Parallel"
            [
                testCase "results are in order and progress counts to the end"
                <| fun () ->
                    let seen = ResizeArray()

                    let results =
                        Parallel.each
                            "squares"
                            (fun n -> n * n)
                            [| 0..99 |]
                            { Progress.none with Tell = seen.Add }

                    Expect.equal results (Ok [| for n in 0..99 -> n * n |]) "in order"
                    Expect.equal [ for progress in seen -> progress.Done ] [ 1..100 ] "counts"
                    Expect.all seen (fun progress -> progress.Total = 100) "total"

                testCase "nothing to do is done"
                <| fun () ->
                    let results = Parallel.each "none" (fun (n: int) -> n) [||] Progress.none

                    Expect.equal results (Ok [||]) "none"

                testCase "a cancelled batch stops early and says so"
                <| fun () ->
                    use stop = new CancellationTokenSource()
                    let mutable started = 0

                    let work number =
                        Interlocked.Increment(&started) |> ignore
                        stop.Cancel()
                        Thread.Sleep 1
                        number

                    let results = Parallel.each "long" work [| 0..9999 |] (Progress.until stop.Token)
                    Expect.equal results (Error McdrlError.Cancelled) "cancelled"
                    Expect.isLessThan started 1000 "early"

                Property.check "results are handed on in order, one at a time, whatever takes how long"
                <| fun (pauses: byte list) ->
                    let items = pauses |> List.map (fun pause -> int pause % 3) |> Array.ofList
                    let handedOn = ResizeArray()
                    let mutable inside = 0

                    let finished item result =
                        Expect.equal (Interlocked.Increment &inside) 1 "one at a time"
                        handedOn.Add(item, result)
                        Interlocked.Decrement &inside |> ignore

                    let work (pause: int) =
                        Thread.Sleep pause
                        pause + 1

                    let outcome = Parallel.inOrder "pauses" work finished items Progress.none

                    Expect.equal outcome (Ok()) "done"
                    Expect.equal (List.ofSeq handedOn) [ for item in items -> item, item + 1 ] "in order"

                testCase "while one item takes long, only a few results wait for it"
                <| fun () ->
                    use release = new ManualResetEventSlim()
                    let mutable begun = 0

                    let work index =
                        Interlocked.Increment &begun |> ignore

                        if index = 0 then
                            release.Wait()

                        index

                    let batch =
                        Tasks.Task.Run(fun () ->
                            Parallel.inOrder "one slow" work (fun _ _ -> ()) [| 0..9999 |] Progress.none)

                    Thread.Sleep 200
                    let most = 5 * System.Environment.ProcessorCount
                    Expect.isLessThanOrEqual (Volatile.Read &begun) most "bounded"
                    release.Set()
                    Expect.equal batch.Result (Ok()) "done"
                    Expect.equal begun 10000 "all"

                testCase "what is thrown ends the batch and comes out as it is"
                <| fun () ->
                    let work index =
                        if index = 3 then invalidOp "three" else index

                    let run () =
                        Parallel.each "thrown" work [| 0..9999 |] Progress.none |> ignore

                    Expect.throwsT<System.InvalidOperationException> run "by work"

                    let finished _ index =
                        if index = 3 then
                            invalidArg "index" "three"

                    let run () =
                        Parallel.inOrder "thrown" id finished [| 0..9999 |] Progress.none |> ignore

                    Expect.throwsT<System.ArgumentException> run "by whom they are handed to"
            ]
    )
