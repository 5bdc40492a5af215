/// What can only be seen with `mcdrl` as a process of its own: the choice of libtorch, once per process.
module Mcdrl.Cli.Tests.ProcessTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

let private started (libtorch: string) arguments =
    let info = infoOf arguments
    info.Environment[Native.FolderVariable] <- libtorch
    ended info

let private loaded () =
    Expect.wantOk (Native.load ()) "libtorch loads here"

let private libraries () =
    DirectoryInfo((loaded ()).Folder).GetFiles "lib*.so*"
    |> Array.filter (fun file ->
        [ "libgomp"; "libc10.so"; "libtorch_cpu.so"; "libtorch.so" ]
        |> List.exists (fun name -> file.Name.StartsWith name))

let private inFolder test =
    let folder = Directory.CreateTempSubdirectory "mcdrl-test-"

    try
        test folder.FullName
    finally
        folder.Delete true

let private refused (folder: string) (reason: string) =
    let outcome = started folder [ "doctor"; "--json" ]
    Expect.equal outcome.Code 2 outcome.Err
    let found = objects outcome |> Array.exactlyOne
    let error = found.GetProperty("error").GetString() |> string

    for text in [ reason; folder; "libtorch 2.10.0" ] do
        Expect.stringContains error text "the real cause"
        Expect.stringContains outcome.Err text "also for people"

let tests =
    testList
        "process"
        [
            test "another libtorch is used instead of the one in the output folder" {
                inFolder (fun folder ->
                    let lib = Directory.CreateDirectory(Path.Combine(folder, "lib")).FullName

                    for library in libraries () do
                        File.Copy(library.FullName, Path.Combine(lib, library.Name))

                    // The folder that holds `lib`, as libtorch is distributed, and the folder itself.
                    for given in [ folder; lib ] do
                        let outcome = started given [ "doctor"; "--json"; "--device"; "cpu" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        let found = objects outcome |> Array.exactlyOne

                        Expect.equal
                            (found.GetProperty("libtorch_folder").GetString())
                            lib
                            "the chosen folder"

                        Expect.isGreaterThan (found.GetProperty("threads").GetInt32()) 0 "it computes")
            }

            test "a folder without libtorch" {
                inFolder (fun folder ->
                    refused folder "libtorch_cpu.so (libtorch 2.10.0, linux-x64) not found")
            }

            test "a library cut short is told before it ends the process" {
                inFolder (fun folder ->
                    for library in libraries () do
                        File.CreateSymbolicLink(Path.Combine(folder, library.Name), library.FullName)
                        |> ignore

                    let cut = Path.Combine(folder, "libc10.so")
                    let bytes = File.ReadAllBytes cut
                    File.Delete cut
                    File.WriteAllBytes(cut, Array.truncate 100000 bytes)
                    refused folder "the file is cut short at 100000 bytes")
            }

            test "a library that isn't one" {
                inFolder (fun folder ->
                    for library in libraries () do
                        File.WriteAllText(Path.Combine(folder, library.Name), "version https://git-lfs")

                    refused folder "not a shared library")
            }

            test "the command without libtorch draws the same masks" {
                Folder.temporary (fun folder ->
                    let frame = Path.Combine(World.data (), "c", "images", "frame1.png")
                    let inside name = Path.Combine(folder, name)
                    let file = inside "model.onnx"

                    let segment out =
                        [
                            yield! [ "segment"; frame; "--onnx"; file; "--out"; out ]
                            yield! [ "--probabilities"; "--threshold"; "0.4"; "--min-area"; "3" ]
                        ]

                    let exported = mcdrl [ "export"; "onnx"; "--model"; World.bundle (); "--out"; file ]
                    Expect.equal exported.Code 0 exported.Err
                    let whole = mcdrl (segment (inside "whole"))
                    Expect.equal whole.Code 0 whole.Err

                    let alone =
                        ended (infoOfProgram (Path.Combine(slim, "mcdrl.dll")) (segment (inside "alone")))

                    Expect.equal alone.Code 0 alone.Err

                    for name in [ "frame1.mask.png"; "frame1.probability.png"; "frame1.json" ] do
                        let written out =
                            File.ReadAllBytes(Path.Combine(inside out, name))

                        Expect.equal (written "alone") (written "whole") name

                    let refused =
                        ended (
                            infoOfProgram
                                (Path.Combine(slim, "mcdrl.dll"))
                                [ "segment"; frame; "--onnx"; file; "--threshold"; "2" ]
                        )

                    Expect.equal refused.Code 2 refused.Err
                    Expect.stringContains refused.Err "--threshold: 2" "named"

                    Directory.GetFiles(slim, "*orch*")
                    |> fun files -> Expect.isEmpty files "no part of torch lies beside it")
            }

            for name, number in [ "SIGTERM", SIGTERM; "SIGHUP", SIGHUP ] do
                test $"{name} stops a verb before its end, and nothing is left behind" {
                    let images = Shared.path "data/polypgen/c3/images"
                    let weights = Shared.path "fixtures/clip/vit-tiny.openai.safetensors"

                    inFolder (fun folder ->
                        let out = Path.Combine(folder, "o.safetensors")

                        use child =
                            begun (
                                infoOf [ "encode"; "--weights"; weights; "--images"; images; "--out"; out ]
                            )

                        let first = child.StandardError.ReadLine() |> string
                        Expect.stringStarts first "encoding images" "it is at work"
                        Expect.equal (signal (child.Id, number)) 0 "sent"
                        let rest = child.StandardError.ReadToEnd()
                        child.WaitForExit()
                        Expect.equal child.ExitCode 130 "stopped"
                        Expect.stringContains rest "Stopping." "says so"
                        let count = Directory.GetFiles(images).Length
                        Expect.isFalse (rest.Contains $"{count}/{count}") "not at the last image"
                        Expect.isEmpty (Directory.GetFileSystemEntries folder) "no file")
                }
        ]
    |> testSequenced
