module Mcdrl.Tests.OnnxRuntimeTests

open System.Threading
open Expecto
open Mcdrl

/// While one work is under way another is begun on a second thread, with the same gate or one of its own, and something waited for: whether it
/// had entered by then. In the end it has.
let private entersBeside device gate otherGate (wait: Thread -> ManualResetEventSlim -> unit) =
    use entered = new ManualResetEventSlim()

    let second =
        Thread(fun () -> OnnxRuntime.inTurn device otherGate (fun () -> entered.Set()))

    let isBeside =
        OnnxRuntime.inTurn device gate (fun () ->
            second.Start()
            wait second entered
            entered.IsSet)

    second.Join()
    Expect.isTrue entered.IsSet "its turn comes"
    isBeside

/// Until the second stands before the gate, or has passed it.
let private untilItWaits (second: Thread) (entered: ManualResetEventSlim) =
    while not entered.IsSet
          && second.ThreadState &&& ThreadState.WaitSleepJoin = ThreadState.Running do
        Thread.Yield() |> ignore

/// Until the second has passed the gate; a minute is for one that never does.
let private untilItEnters _ (entered: ManualResetEventSlim) =
    entered.Wait(System.TimeSpan.FromMinutes 1.0) |> ignore

let tests =
    testList
        "OnnxRuntime"
        [
            test "a session on a graphics card computes one batch at a time" {
                let gate = obj ()

                for number in 0..2 do
                    Expect.isFalse
                        (entersBeside (OnnxDevice.Cuda number) gate gate untilItWaits)
                        $"device {number}"
            }

            test "two sessions don't wait for each other, nor does any on the processor" {
                let gate = obj ()
                Expect.isTrue (entersBeside (OnnxDevice.Cuda 0) gate (obj ()) untilItEnters) "another session"
                Expect.isTrue (entersBeside OnnxDevice.Cpu gate gate untilItEnters) "the processor"
            }

            test "a work that fails gives its turn away" {
                let gate = obj ()
                let work () : int = failwith "the card is gone"
                Expect.throws (fun () -> OnnxRuntime.inTurn (OnnxDevice.Cuda 0) gate work |> ignore) "told"
                Expect.isFalse (Monitor.IsEntered gate) "given away"
                Expect.isFalse (entersBeside (OnnxDevice.Cuda 0) gate gate untilItWaits) "and taken anew"
            }
        ]
