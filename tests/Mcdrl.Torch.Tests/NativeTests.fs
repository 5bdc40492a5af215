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

            test "a library made in memory is loaded from a file that nobody can change" {
                let image = bridge ()

                let name, before, again =
                    Expect.wantOk
                        (SealedLibrary.under "probe" image (fun name ->
                            let again () = File.ReadAllBytes name
                            let before = again ()

                            for mode in [ FileMode.Open; FileMode.Truncate ] do
                                Expect.throws
                                    (fun () ->
                                        use file = new FileStream(name, mode, FileAccess.Write)
                                        file.WriteByte 0uy
                                        file.Flush())
                                    $"{mode}"

                            Ok(name, before, again)))
                        "a file"

                Expect.equal before image "holds the image"
                Expect.equal (again ()) image "after the attempts too"
                let target = File.ResolveLinkTarget(name, false) |> Option.ofObj
                Expect.stringContains (string target) "probe" "in memory"
            }

            test "without files in memory, in one that has no name" {
                let image = bridge ()
                use file = SealedLibrary.ofThisUserAlone image
                let name = $"/proc/self/fd/{file.DangerousGetHandle()}"
                Expect.equal (File.ReadAllBytes name) image "holds the image"
                let target = File.ResolveLinkTarget(name, false) |> Option.ofObj
                Expect.isFalse (File.Exists(string target)) "nothing to put something else in the place of"
            }

            test "what is loaded twice has two names" {
                let names =
                    [
                        for _ in 1..2 -> Expect.wantOk (SealedLibrary.under "probe" [| 1uy |] Ok) "a file"
                    ]

                Expect.equal (List.distinct names) names "the loader would take the first for the second"
            }

            test "a weakened copy comes from memory" {
                if (loaded ()).Weakened then
                    File.ReadAllLines "/proc/self/maps"
                    |> Array.filter (fun line -> line.Contains "libLibTorchSharp")
                    |> fun lines ->
                        Expect.isNonEmpty lines "mapped"
                        Expect.all lines _.Contains("/memfd:") "from no file with a name"
                else
                    skiptest "this libstdc++ has the version that TorchSharp asks for: nothing is weakened"
            }

            test "the kernels are chosen by the processor" {
                let avx2, older = [ "avx2"; "avx512" ], [ "sse4" ]
                Expect.isTrue (Kernels.packedIsFasterOn avx2 []) "AVX2"
                Expect.isTrue (Kernels.packedIsFasterOn avx2 [ "AVX2" ]) "held to AVX2"
                Expect.isFalse (Kernels.packedIsFasterOn older []) "older"
                Expect.isFalse (Kernels.packedIsFasterOn avx2 [ "sse41" ]) "held to an older set"
                Expect.isFalse (Kernels.packedIsFasterOn avx2 [ "AVX2"; "AVX" ]) "by one of the two names"

                [ 1..1000 ]
                |> List.map (fun _ -> Kernels.packedIsFaster ())
                |> List.distinct
                |> fun answers -> Expect.hasLength answers 1 "always the same"
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
