module Mcdrl.Tests.SharedLibraryTests

open System
open System.IO
open Expecto
open Mcdrl

let private library = Path.Combine(AppContext.BaseDirectory, "libSkiaSharp.so")

let tests =
    testList
        "SharedLibrary"
        [
            test "one that is not there is told in the loader's words alone" {
                let fault =
                    Expect.wantError (SharedLibrary.load "libnone-at-all.so.1") "nobody has it"

                Expect.stringStarts fault "libnone-at-all.so.1: cannot open" "the first line"
                Expect.isFalse (fault.Contains '\n') "one line"
                Expect.isOk (SharedLibrary.load library) "by its path"
            }
        ]
