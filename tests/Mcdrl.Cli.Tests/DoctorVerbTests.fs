module Mcdrl.Cli.Tests.DoctorVerbTests

open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine

let tests =
    testList
        "doctor"
        [
            test "prints what was loaded" {
                let outcome = mcdrl [ "doctor" ]
                Expect.equal outcome.Code 0 outcome.Err
                let native = Expect.wantOk (Native.load ()) "libtorch loads here"

                let library = Expect.wantOk (OnnxLibrary.examine ()) "ONNX Runtime loads here"

                for value in
                    [
                        yield! [ native.Libtorch; native.Folder; native.TorchSharp; "cpu"; "glibc"; "dcmtk" ]
                        yield! [ library.Version; library.Folder; "CUDA provider"; "CUDA driver" ]
                    ] do
                    Expect.stringContains outcome.Out value "named"
            }

            test "prints one object under --json, wherever the flag stands" {
                for arguments in [ [ "doctor"; "--json" ]; [ "--json"; "doctor" ] ] do
                    let outcome = mcdrl arguments
                    let found = Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"
                    Expect.equal outcome.Err "" "nothing on stderr"
                    Expect.equal (found.GetProperty("libtorch").GetString()) "2.10.0" "libtorch"
                    Expect.isGreaterThan (found.GetProperty("memory_bytes").GetInt64()) 0L "memory"
                    Expect.isGreaterThan (found.GetProperty("threads").GetInt32()) 0 "threads"
                    Expect.equal (found.GetProperty("devices").[0].GetString()) "cpu" "the CPU comes first"
            }

            test "checks a device" {
                Expect.equal (mcdrl [ "doctor"; "--device"; "cpu" ]).Code 0 "cpu"
                let outcome = mcdrl [ "doctor"; "--device"; "cuda:99" ]
                Expect.equal outcome.Code 2 "no such device"
                Expect.stringContains outcome.Err "--device cuda:99" "says which"
            }

            test "checks a device for exported models" {
                Expect.equal (mcdrl [ "doctor"; "--onnx"; "--device"; "cpu" ]).Code 0 "cpu"
                let outcome = mcdrl [ "doctor"; "--onnx"; "--device"; "cuda:99" ]
                Expect.equal outcome.Code 2 "no such device"
                Expect.stringContains outcome.Err "ONNX Runtime" "of which engine"
            }
        ]
