module Mcdrl.Tests.NeededLibrariesTests

open System.IO
open Expecto
open Mcdrl

let tests =
    testList
        "NeededLibraries"
        [
            test "those that a library names, in its order" {
                Folder.temporary (fun folder ->
                    let expected = Expect.wantSome (NeededLibraries.of' Provider.harmless) "a library"

                    Expect.contains expected "libc.so.6" "C"
                    Expect.contains expected "libstdc++.so.6" "C++"
                    Provider.write folder

                    let found =
                        NeededLibraries.of' (Path.Combine(folder, "libonnxruntime_providers_cuda.so"))

                    let renamed =
                        expected
                        |> List.map (fun name -> if name = "libstdc++.so.6" then Provider.needed else name)

                    Expect.equal found (Some renamed) "one name changed in its table")
            }

            test "what is no library, and one cut short or gone astray, has none" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.so")
                    let content = File.ReadAllBytes Provider.harmless

                    for length in [ 0; 1; 16; 63; 64; 100; 200; 600 ] do
                        File.WriteAllBytes(path, Array.truncate length content)
                        Expect.isNone (NeededLibraries.of' path) $"{length} bytes"

                    // Every byte of both headers, one after the other: an answer or none, and no crash.
                    for offset in 0..600 do
                        let changed = Array.copy content
                        changed[offset] <- changed[offset] ^^^ 0xffuy
                        File.WriteAllBytes(path, changed)
                        NeededLibraries.of' path |> ignore

                    Expect.isNone (NeededLibraries.of' (Path.Combine(folder, "none.so"))) "no file")
            }
        ]
