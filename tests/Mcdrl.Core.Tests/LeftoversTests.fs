module Mcdrl.Tests.LeftoversTests

open Expecto
open Mcdrl

let tests =
    testList
        "Leftovers"
        [
            testCase "what systems leave is known in any case of letters, and anywhere on a path"
            <| fun () ->
                for name in
                    [
                        ".DS_Store"
                        "Thumbs.db"
                        "THUMBS.DB"
                        "Desktop.ini"
                        "__MACOSX"
                        "._frame1.png"
                        "@eaDir"
                        ".directory"
                        "$RECYCLE.BIN"
                        "System Volume Information"
                        "lost+found"
                        ".nfs0000000000000001"
                        ".mcdrl-00000000000000000000000000000000.tmp"
                    ] do
                    Expect.isTrue (Leftovers.isName name) name
                    Expect.isTrue (Leftovers.isPath $"a/{name}/frame.png") name
                    Expect.isTrue (Leftovers.isPath $"a/{name}") name

            testCase "frames and their folders are not"
            <| fun () ->
                for name in [ "frame1.png"; "a._b.png"; "thumbs.png"; "DS_Store"; "images"; ".hidden.png" ] do
                    Expect.isFalse (Leftovers.isName name) name
                    Expect.isFalse (Leftovers.isPath $"a/{name}") name
        ]
