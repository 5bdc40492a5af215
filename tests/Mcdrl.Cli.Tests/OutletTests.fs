module Mcdrl.Cli.Tests.OutletTests

open System
open System.IO
open System.Text
open Expecto
open Mcdrl.Cli

/// A disk that is full after so many lines.
type FullDisk(lines: int, problem: exn) =
    inherit StringWriter()
    let mutable left = lines

    override this.WriteLine(line: string | null) =
        if left = 0 then
            raise problem

        left <- left - 1
        this.Write $"{line}\n"

let tests =
    testList
        "Outlet"
        [
            test
                "what can't be written ends nothing; the first reason is kept, and nothing comes after the gap" {
                for problem in
                    [
                        (IOException "No space left on device": exn)
                        UnauthorizedAccessException "Bad file descriptor"
                        ObjectDisposedException "console"
                    ] do
                    use disk = new FullDisk(1, problem)
                    let outlet = Outlet.over disk
                    outlet.WriteLine "one"
                    Expect.isNone outlet.Failure "all is well"
                    outlet.WriteLine "two"
                    outlet.Write "three"
                    outlet.Write 'x'
                    outlet.Flush()
                    Expect.equal (string disk) "one\n" "a whole beginning"
                    Expect.equal (outlet.Failure |> Option.map _.Message) (Some problem.Message) "why"
            }

            test "one over another is the same" {
                let outlet = Outlet.over (new StringWriter(StringBuilder()))
                Expect.isTrue (obj.ReferenceEquals(Outlet.over outlet, outlet)) "the same"
            }
        ]
