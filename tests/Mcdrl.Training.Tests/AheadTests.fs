module Mcdrl.Tests.AheadTests

open System
open System.Collections.Concurrent
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

/// A number that the processor holds as a denormal, times 1.
let private tiny () =
    use _scope = torch.NewDisposeScope()
    torch.tensor([| 1e-39f |]).mul(torch.tensor [| 1.0f |]).item<float32>()

let private ahead =
    testList
        "Ahead"
        [
            testCase "in order, never more than the limit ahead of the taker, each made once"
            <| fun () ->
                let made = ConcurrentQueue<int>()

                let make index =
                    made.Enqueue index
                    index * index

                use ahead = new Ahead<int>(1, 2, 20, make, ignore)

                for index in 0..19 do
                    // One in the hand of the maker at most, besides those that wait.
                    Thread.Sleep 2
                    Expect.isLessThanOrEqual made.Count (index + 2) "made before it was taken"
                    Expect.equal (ahead.Take()) (index * index) "the next"

                Expect.equal (List.ofSeq made) [ 0..19 ] "each once"

            testCase "several threads make side by side, and results are taken in order"
            <| fun () ->
                use both = new Barrier(2)

                let make index =
                    // Two are in here at once, or neither ever leaves.
                    if not (both.SignalAndWait(TimeSpan.FromMinutes 1.0)) then
                        invalidOp "made one by one"

                    if index % 2 = 0 then
                        Thread.Sleep 5

                    index

                use ahead = new Ahead<int>(2, 3, 12, make, ignore)
                Expect.equal (List.init 12 (fun _ -> ahead.Take())) [ 0..11 ] "in order"

            testCase "what making raises is raised in its place, and ends the making"
            <| fun () ->
                let mutable last = -1

                let make index =
                    last <- index
                    if index = 1 then invalidOp "spoilt" else index

                use ahead = new Ahead<int>(1, 2, 9, make, ignore)
                Expect.equal (ahead.Take()) 0 "before it"
                let raised = Expect.throwsC (fun () -> ahead.Take() |> ignore) id
                Expect.equal raised.Message "spoilt" "its message"
                Expect.equal last 1 "no further"

            testCase "disposed in the middle: the maker ends, what nobody took is discarded"
            <| fun () ->
                let made, discarded = ConcurrentBag<int>(), ConcurrentBag<int>()

                let make index =
                    made.Add index
                    index

                let ahead = new Ahead<int>(1, 2, 100, make, discarded.Add)
                let taken = ahead.Take()
                (ahead :> IDisposable).Dispose()

                Expect.equal
                    (Seq.sort (taken :: List.ofSeq discarded) |> List.ofSeq)
                    (Seq.sort made |> List.ofSeq)
                    "all"

                Expect.isLessThan made.Count 5 "few"

            testCase "it draws with one torch thread and leaves the others theirs"
            <| fun () ->
                let before = torch.get_num_threads ()
                use ahead = new Ahead<int>(1, 1, 1, (fun _ -> torch.get_num_threads ()), ignore)
                Expect.equal (ahead.Take()) 1 "its own"
                Expect.equal (torch.get_num_threads ()) before "the others'"
        ]

let private flushed =
    testList
        "FlushedThread"
        [
            testCase "denormal numbers are zero there"
            <| fun () -> Expect.equal (FlushedThread.run tiny) 0.0f "flushed"

            testCase "what the work raises is raised"
            <| fun () ->
                let raised =
                    Expect.throwsC (fun () -> FlushedThread.run (fun () -> invalidOp "spoilt")) id

                Expect.equal raised.Message "spoilt" "its message"
        ]

let tests = testSequenced (testList "Threads of training" [ ahead; flushed ])
