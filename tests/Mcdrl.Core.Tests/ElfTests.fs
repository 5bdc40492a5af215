module Mcdrl.Tests.ElfTests

open System
open System.IO
open System.Text
open Expecto
open Mcdrl

let private library = Path.Combine(AppContext.BaseDirectory, "libSkiaSharp.so")

let tests =
    testList
        "Elf"
        [
            test "a library is whole, and cut short anywhere it is not" {
                Folder.temporary (fun folder ->
                    Expect.isOk (Elf.whole library) "as it is"
                    let content = File.ReadAllBytes library
                    let cut = Path.Combine(folder, "cut.so")

                    for length in [ 0; 3; 63; 64; 4096; content.Length / 2; content.Length - 1 ] do
                        File.WriteAllBytes(cut, Array.truncate length content)
                        Expect.isError (Elf.whole cut) $"{length} bytes"

                    File.WriteAllText(cut, String('x', 4096))
                    Expect.equal (Elf.whole cut) (Error "not a shared library") "text")
            }

            test "the libraries that a library names, in its order" {
                Folder.temporary (fun folder ->
                    let expected = Expect.wantSome (Elf.neededLibraries library) "a library"
                    Expect.contains expected "libc.so.6" "C"
                    Expect.contains expected "libstdc++.so.6" "C++"

                    let own, other = "libstdc++.so.6", "libcunone.so.6"
                    let content = File.ReadAllBytes library
                    let at = content.AsSpan().IndexOf(ReadOnlySpan(Encoding.ASCII.GetBytes own))
                    Encoding.ASCII.GetBytes(other).CopyTo(content, at)
                    let path = Path.Combine(folder, "other.so")
                    File.WriteAllBytes(path, content)

                    let renamed = expected |> List.map (fun name -> if name = own then other else name)

                    Expect.equal (Elf.neededLibraries path) (Some renamed) "one name changed in its table")
            }

            test "what is no library, and one cut short or gone astray, names none" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.so")
                    let content = File.ReadAllBytes library |> Array.truncate 4096

                    for length in [ 0; 1; 16; 63; 64; 100; 200; 600 ] do
                        File.WriteAllBytes(path, Array.truncate length content)
                        Expect.isNone (Elf.neededLibraries path) $"{length} bytes"

                    // Every byte of both headers, one after the other: an answer or none, and no crash.
                    for offset in 0..600 do
                        let changed = Array.copy content
                        changed[offset] <- changed[offset] ^^^ 0xffuy
                        File.WriteAllBytes(path, changed)
                        Elf.neededLibraries path |> ignore
                        Elf.whole path |> ignore
                        Elf.weaken "GLIBCXX_3.4.32" changed |> ignore

                    Expect.isNone (Elf.neededLibraries (Path.Combine(folder, "none.so"))) "no file")
            }

            test "what is no library is not weakened" {
                Expect.equal
                    (Elf.weaken "GLIBCXX_3.4.32" (Encoding.ASCII.GetBytes(String('x', 4096))))
                    (Error "not a little-endian 64-bit ELF file")
                    "text"

                Expect.equal
                    (Elf.weaken "GLIBCXX_99" (File.ReadAllBytes library))
                    (Error "no strong requirement of GLIBCXX_99 in it")
                    "a version that it doesn't ask for"
            }
        ]
