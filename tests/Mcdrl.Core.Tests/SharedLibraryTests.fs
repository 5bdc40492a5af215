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
            test "a library is whole, and cut short anywhere it is not" {
                Folder.temporary (fun folder ->
                    Expect.isOk (SharedLibrary.whole library) "as it is"
                    let content = File.ReadAllBytes library
                    let cut = Path.Combine(folder, "cut.so")

                    for length in [ 0; 3; 63; 64; 4096; content.Length / 2; content.Length - 1 ] do
                        File.WriteAllBytes(cut, Array.truncate length content)
                        Expect.isError (SharedLibrary.whole cut) $"{length} bytes"

                    File.WriteAllText(cut, String('x', 4096))
                    Expect.equal (SharedLibrary.whole cut) (Error "not a shared library") "text")
            }

            test "one that is not there is told in the loader's words alone" {
                let fault =
                    Expect.wantError (SharedLibrary.load "libnone-at-all.so.1") "nobody has it"

                Expect.stringStarts fault "libnone-at-all.so.1: cannot open" "the first line"
                Expect.isFalse (fault.Contains '\n') "one line"
                Expect.isOk (SharedLibrary.load library) "by its path"
            }
        ]
