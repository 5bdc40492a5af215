module Mcdrl.Tests.GuardTests

open System
open System.IO
open System.Runtime.InteropServices
open Expecto
open Mcdrl

let private caught (problem: exn) : McdrlError =
    match Guard.run "a.png" (fun () -> raise problem) with
    | Ok() -> failtest "nothing was thrown"
    | Error fault -> fault

let tests =
    testList
        "Guard"
        [
            testCase "what does not throw passes as it is"
            <| fun () ->
                Expect.equal (Guard.run "a" (fun () -> Ok 1)) (Ok 1) "result"
                let fault = McdrlError.data "broken" "b" "Repair it"
                Expect.equal (Guard.run "a" (fun () -> (Error fault: Result<int, _>))) (Error fault) "fault"

            testCase
                "whatever is thrown becomes an error of a family that has an exit code, and names the place"
            <| fun () ->
                for problem, says in
                    [
                        (OutOfMemoryException(): exn), "not enough memory"
                        ExternalException "DefaultCPUAllocator: can't allocate memory", "not enough memory"
                        ExternalException "shapes differ", "ExternalException: shapes differ"
                        IOException "No space left on device", "No space left"
                        UnauthorizedAccessException "Access denied", "Access denied"
                        InvalidOperationException "odd", "InvalidOperationException: odd"
                        NullReferenceException(), "please report"
                        AggregateException(OutOfMemoryException()), "not enough memory"
                    ] do
                    let fault = caught problem
                    Expect.equal (McdrlError.exitCode fault) 5 (string problem)
                    let text = McdrlError.describe fault
                    Expect.stringContains (text.ToLowerInvariant()) (says.ToLowerInvariant()) "what"
                    Expect.stringStarts text "a.png: " "where"

            testCase "a cancelled operation is cancelled, also inside others"
            <| fun () ->
                for problem in
                    [
                        (OperationCanceledException(): exn)
                        AggregateException(OperationCanceledException())
                    ] do
                    Expect.equal (caught problem) McdrlError.Cancelled "cancelled"
        ]
