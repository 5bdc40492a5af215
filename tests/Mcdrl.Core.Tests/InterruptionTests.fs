module Mcdrl.Tests.InterruptionTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Mcdrl

/// Long enough for the slowest machine, short of the hour that the work would take.
let private soon = TimeSpan.FromMinutes 1.0

let tests =
    testList
        "Interruption"
        [
            testCase "what work gives and throws comes out as it is"
            <| fun () ->
                use source = new CancellationTokenSource()

                for cancel in [ CancellationToken.None; source.Token ] do
                    Expect.equal (Interruption.during cancel (fun () -> 7)) 7 "given"

                    Expect.throwsT<InvalidTimeZoneException>
                        (fun () -> Interruption.during cancel (fun () -> raise (InvalidTimeZoneException())))
                        "thrown"

            testCase "work that asks nothing is let go of, and told at its next check"
            <| fun () ->
                use source = new CancellationTokenSource()
                use begun = new ManualResetEventSlim()
                use release = new ManualResetEventSlim()
                use ended = new ManualResetEventSlim()
                let mutable told = false

                let work () =
                    begun.Set()
                    release.Wait()

                    try
                        try
                            Interruption.check ()
                        with :? OperationCanceledException ->
                            told <- true
                    finally
                        ended.Set()

                let stopping =
                    Thread(fun () ->
                        begun.Wait()
                        source.Cancel())

                stopping.Start()

                Expect.throwsT<OperationCanceledException>
                    (fun () -> Interruption.during source.Token work)
                    "let go of while it waits"

                release.Set()
                Expect.isTrue (ended.Wait soon) "it goes on"
                Expect.isTrue told "and is told"
                stopping.Join()

            testCase "work that ends soon after is waited for"
            <| fun () ->
                use source = new CancellationTokenSource()
                let mutable tidied = false

                let work () =
                    source.Cancel()

                    try
                        Interruption.check ()
                    finally
                        tidied <- true

                Expect.throwsT<OperationCanceledException>
                    (fun () -> Interruption.during source.Token work)
                    "stopped"

                Expect.isTrue tidied "in order"

            testCase "work that was let go of writes nothing"
            <| fun () ->
                Folder.temporary (fun folder ->
                    use source = new CancellationTokenSource()
                    let path = Path.Combine(folder, "a")
                    let mutable outcome = Ok()

                    Interruption.during source.Token (fun () ->
                        outcome <-
                            Files.writeAtomically path (fun stream ->
                                stream.WriteByte 1uy
                                source.Cancel()))

                    Expect.equal outcome (Error McdrlError.Cancelled) "told"
                    Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing, whole or half")

            testCase "work that puts things in order is known while it lasts, however it ends"
            <| fun () ->
                let inside = Interruption.finishes Interruption.isFinishing
                Expect.isTrue inside "meanwhile"

                Expect.throwsT<InvalidTimeZoneException>
                    (fun () -> Interruption.finishes (fun () -> raise (InvalidTimeZoneException())))
                    "as it is"

                Expect.isFalse (Interruption.isFinishing ()) "no longer"

            testCase "outside of such work nothing is let go of"
            <| fun () ->
                Interruption.check ()
                Expect.isFalse (Interruption.isLetGo ()) "never"
        ]
