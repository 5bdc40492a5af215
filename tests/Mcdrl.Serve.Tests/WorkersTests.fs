module Mcdrl.Tests.WorkersTests

open System
open System.Threading
open Expecto
open Mcdrl

let private until what (holds: unit -> bool) =
    Expect.isTrue (SpinWait.SpinUntil(holds, TimeSpan.FromSeconds 30.0)) what

let tests =
    testList
        "Workers"
        [
            test "one more than work and wait is turned away" {
                use workers = new Workers(1, 1)
                use gate = new ManualResetEventSlim()
                let first = workers.Run CancellationToken.None gate.Wait
                let second = workers.Run CancellationToken.None id
                Expect.isTrue workers.IsFull "full"
                Expect.equal (workers.Working, workers.Waiting) (1L, 1L) "one works, one waits"
                Expect.isNone (workers.Run CancellationToken.None id).Result "the third"
                Expect.isGreaterThanOrEqual workers.RetryAfter 1 "when to come back"
                gate.Set()
                Expect.isSome first.Result "the first"
                Expect.isSome second.Result "the second"
            }

            test "who goes leaves the queue, and is not worked for" {
                use workers = new Workers(1, 1)
                use gate = new ManualResetEventSlim()
                use gone = new CancellationTokenSource()
                let first = workers.Run CancellationToken.None gate.Wait
                let worked = ref false
                let second = workers.Run gone.Token (fun () -> worked.Value <- true)
                gone.Cancel()
                until "the queue is empty" (fun () -> workers.Waiting = 0L)
                gate.Set()
                first.Wait()
                Expect.throws (fun () -> second.Wait()) "it is let go of"
                Expect.isFalse worked.Value "nothing is done"
            }

            test "what work throws is thrown, and the next is done" {
                use workers = new Workers(1, 4)

                Expect.throws
                    (fun () -> (workers.Run CancellationToken.None (fun () -> failwith "broken")).Wait())
                    "thrown"

                Expect.equal (workers.Run CancellationToken.None (fun () -> 7)).Result (Some 7) "the next"
            }
        ]
