module Mcdrl.Tests.InputsTests

open System.IO
open Expecto
open Mcdrl

let tests =
    testList
        "Inputs"
        [
            testCase "an output that is an input, by itself or through a link, is refused"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let at name = Path.Combine(folder, name)
                    File.WriteAllText(at "in", "kept")
                    File.CreateSymbolicLink(at "link", at "in") |> ignore
                    Directory.CreateSymbolicLink(at "here", folder) |> ignore

                    for out in [ at "in"; at "link"; at "here/in"; at "./in" ] do
                        Inputs.keep [ at "other"; at "in" ] out
                        |> Outcome.refusedWith 2 [ out; "would be replaced" ]

                    File.WriteAllText(at "else", "")

                    for out in [ at "new"; at "else" ] do
                        Expect.equal (Inputs.keep [ at "in"; at "missing" ] out) (Ok()) out)
        ]
