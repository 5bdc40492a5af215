module Mcdrl.Tests.OnnxDeviceTests

open System.IO
open Expecto
open Mcdrl

let private here () =
    let library = Outcome.ok (OnnxLibrary.examine ())
    OnnxDevice.all (OnnxCuda.examine library)

let tests =
    testList
        "OnnxDevice"
        [
            test "the processor is always there, and auto takes what there is" {
                Expect.equal (OnnxDevice.parse "cpu") (Ok OnnxDevice.Cpu) "cpu"

                let expected =
                    if List.contains (OnnxDevice.Cuda 0) (here ()) then
                        OnnxDevice.Cuda 0
                    else
                        OnnxDevice.Cpu

                Expect.equal (OnnxDevice.parse "auto") (Ok expected) "auto"
            }

            test "unknown names" {
                for name in
                    [
                        ""
                        "gpu"
                        "CPU"
                        "cuda:"
                        "cuda:-1"
                        "cuda:x"
                        "cuda:0:1"
                        "cpu:0"
                        "auto:0"
                    ] do
                    OnnxDevice.parse name
                    |> Outcome.refusedWith 2 [ $"“device” {name}"; "Use cpu, cuda" ]
            }

            test "a device that can't be had is refused, and says of which ONNX Runtime" {
                OnnxDevice.parse "cuda:99" |> Outcome.refusedWith 2 [ "“device” cuda:99" ]

                if here () = [ OnnxDevice.Cpu ] then
                    let library = Outcome.ok (OnnxLibrary.examine ())

                    OnnxDevice.parse "cuda"
                    |> Outcome.refusedWith 2 [ library.Folder; library.Version; OnnxLibrary.FolderVariable ]
            }

            test "a library without CUDA computes on no device: an error, not the processor's answer" {
                if not (Outcome.ok (OnnxLibrary.examine ())).Cuda then
                    Folder.temporary (fun folder ->
                        let file = Path.Combine(folder, "model.onnx")

                        VerifiedExport.run
                            {
                                Model = World.bundle ()
                                Mode = None
                                Out = file
                            }
                            Progress.none
                        |> Outcome.ok
                        |> ignore

                        OnnxEngine.loadOn (OnnxDevice.Cuda 0) file 1
                        |> Result.map ignore
                        |> Outcome.refusedWith 5 [ "CUDA"; "cuda:0" ]

                        use engine = Outcome.ok (OnnxEngine.loadOn OnnxDevice.Cpu file 1)
                        Expect.equal engine.Device OnnxDevice.Cpu "says where")
            }
        ]
