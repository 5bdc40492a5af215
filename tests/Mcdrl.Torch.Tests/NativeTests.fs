module Mcdrl.Tests.NativeTests

open System
open System.Buffers.Binary
open System.IO
open System.Threading.Tasks
open Expecto
open Mcdrl
open TorchSharp

let private loaded () =
    Native.load () |> Result.defaultWith (McdrlError.describe >> failtest)

let private bridge () = File.ReadAllBytes (loaded ()).Bridge

let tests =
    testList
        "Native"
        [
            test "torch computes" {
                loaded () |> ignore
                use two = torch.ones (2L, 3L)
                use total = two.sum ()
                Expect.equal (total.item<float32>()) 6f "sum of six ones"
            }

            test "every thread gets the same answer" {
                let answers = Array.Parallel.init 16 (fun _ -> Native.load ())
                Expect.allEqual answers (Ok(loaded ())) "one load for all"
            }

            test "states the version that TorchSharp was built for" {
                Expect.equal (loaded ()).Libtorch "2.10.0" "libtorch"
                Expect.equal (loaded ()).TorchSharp "0.107.0.0" "TorchSharp"
            }

            test "weakening sets one flag in the copy and leaves the original alone" {
                let original = bridge ()
                let before = Array.copy original

                match Elf.weaken "GLIBCXX_3.4.32" original with
                | Error why -> failtest why
                | Ok weaker ->
                    let changed = Array.zip original weaker |> Array.filter (fun (a, b) -> a <> b)

                    Expect.equal original before "the argument is untouched"
                    Expect.equal changed [| 0uy, 2uy |] "one flag byte"

                    Expect.equal
                        (Elf.weaken "GLIBCXX_3.4.32" weaker)
                        (Error "no strong requirement of GLIBCXX_3.4.32 in it")
                        "nothing left to do"
            }

            test "a version that is really used can't be weakened" {
                match Elf.weaken "GLIBCXX_3.4.21" (bridge ()) with
                | Ok _ -> failtest "weakened"
                | Error why ->
                    Expect.stringContains why "needs GLIBCXX_3.4.21" "names the symbol and the version"
            }

            test "damaged libraries are errors" {
                let original = bridge ()

                for length in [ 0; 3; 63; 64; 4096 ] do
                    Expect.isError
                        (Elf.weaken "GLIBCXX_3.4.32" (Array.truncate length original))
                        $"{length} bytes"

                let astray = Array.copy original
                BinaryPrimitives.WriteUInt64LittleEndian(Span(astray, 0x28, 8), UInt64.MaxValue)
                Expect.equal (Elf.weaken "GLIBCXX_3.4.32" astray) (Error "damaged ELF file") "table offset"
            }
        ]
