/// Another ONNX Runtime than the one that comes with the command. A process has one, so each test starts processes.
module Mcdrl.Cli.Tests.OnnxLibraryTests

open System.Diagnostics
open System.IO
open System.Text.Json
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

let private withLibrary (folder: string) (info: ProcessStartInfo) =
    info.Environment[OnnxLibrary.FolderVariable] <- folder
    ended info

let private both =
    [
        "mcdrl", infoOf
        "the command without libtorch", infoOfProgram (Path.Combine(slim, "mcdrl.dll"))
    ]

let private export (folder: string) =
    let file = Path.Combine(folder, "model.onnx")
    let exported = mcdrl [ "export"; "onnx"; "--model"; World.bundle (); "--out"; file ]
    Expect.equal exported.Code 0 exported.Err
    file

let private frame () =
    Directory.GetFiles(Path.Combine(World.data (), "c", "images"))
    |> Array.sort
    |> Array.head

let tests =
    testSequenced (
        testList
            "another ONNX Runtime"
            [
                test "the folder in the variable is where it comes from, as doctor tells" {
                    Folder.temporary (fun folder ->
                        Provider.writeRuntime folder

                        for name, info in both do
                            let outcome = info [ "doctor"; "--json" ] |> withLibrary folder
                            Expect.equal outcome.Code 0 $"{name}: {outcome.Err}"
                            use found = JsonDocument.Parse outcome.Out
                            let found = found.RootElement
                            let text (key: string) = string (found.GetProperty key)
                            Expect.equal (text "onnxruntime_folder") folder name
                            Expect.isNotEmpty (text "onnxruntime") name

                            Expect.equal
                                (found.GetProperty("onnxruntime_devices").[0].GetString())
                                "cpu"
                                name

                            let missing = found.GetProperty "cuda_missing"

                            Expect.equal
                                (missing.[0].GetString())
                                "this build of it has no CUDA"
                                "a provider beside it does not make it one with CUDA")
                }

                test "a package's folder and its lib are looked into" {
                    Folder.temporary (fun folder ->
                        for inside in [ [| "lib" |]; [| "runtimes"; "linux-x64"; "native" |] ] do
                            let package = Path.Combine(folder, inside[0] + "-package")
                            let native = Path.Combine(Array.append [| package |] inside)
                            Directory.CreateDirectory native |> ignore
                            Provider.writeRuntime native

                            let outcome =
                                infoOfProgram (Path.Combine(slim, "mcdrl.dll")) [ "doctor" ]
                                |> withLibrary package

                            Expect.equal outcome.Code 0 outcome.Err
                            Expect.stringContains outcome.Out native "found")
                }

                test "it computes the same, and on a device that can't be had nothing" {
                    Folder.temporary (fun folder ->
                        let file, image = export folder, frame ()
                        let library = Path.Combine(folder, "library")
                        Directory.CreateDirectory library |> ignore
                        Provider.writeRuntime library

                        for name, info in both do
                            let segmented device out =
                                info
                                    [
                                        yield! [ "segment"; image; "--onnx"; file ]
                                        yield! [ "--device"; device; "--out"; Path.Combine(folder, out) ]
                                    ]

                            let mask out =
                                Directory.GetFiles(Path.Combine(folder, out), "*.mask.png")
                                |> Array.exactlyOne
                                |> File.ReadAllBytes

                            let own = ended (segmented "cpu" "own")
                            Expect.equal own.Code 0 $"{name}: {own.Err}"
                            let other = segmented "auto" "other" |> withLibrary library
                            Expect.equal other.Code 0 $"{name}: {other.Err}"
                            Expect.equal (mask "other") (mask "own") $"{name}: the same mask"
                            let refused = segmented "cuda" "refused" |> withLibrary library
                            Expect.equal refused.Code 2 $"{name}: {refused.Err}"
                            Expect.stringContains refused.Err "--device cuda" name
                            Expect.stringContains refused.Err library name

                            Expect.isFalse
                                (Directory.Exists(Path.Combine(folder, "refused")))
                                $"{name}: no output")
                }

                test "a folder without one, one cut short and another library are refused" {
                    Folder.temporary (fun folder ->
                        let file, image = export folder, frame ()
                        let library = Path.Combine(folder, "library")
                        let path = Path.Combine(library, "libonnxruntime.so")
                        Directory.CreateDirectory library |> ignore

                        let refused (named: string) =
                            for name, info in both do
                                let outcome =
                                    info
                                        [
                                            "segment"
                                            image
                                            "--onnx"
                                            file
                                            "--out"
                                            Path.Combine(folder, "out")
                                        ]
                                    |> withLibrary library

                                Expect.equal outcome.Code 2 $"{name}: {outcome.Err}"
                                Expect.stringContains outcome.Err named name
                                Expect.stringContains outcome.Err OnnxLibrary.FolderVariable name

                        refused "there is no libonnxruntime.so in it"
                        let own = File.ReadAllBytes(Path.Combine(slim, "libonnxruntime.so"))
                        File.WriteAllBytes(path, Array.truncate (own.Length / 2) own)
                        refused "cut short"
                        File.Copy(Provider.harmless, path, true)
                        refused "it is no ONNX Runtime")
                }
            ]
    )
