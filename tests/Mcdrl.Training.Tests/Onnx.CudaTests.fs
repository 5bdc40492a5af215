module Mcdrl.Tests.OnnxCudaTests

open System.IO
open Expecto
open Mcdrl

let private runtime folder : OnnxLibrary =
    {
        Version = "1.31.0"
        Folder = folder
        Cuda = true
    }

let private card: CudaDriver =
    {
        Version = "13.0"
        Devices = [ "A card"; "Another" ]
    }

let private library name fault : CudaLibrary =
    {
        Name = name
        Version = None
        Fault = fault
    }

let private whole: OnnxCuda =
    {
        Provider = Ok "/x/libonnxruntime_providers_cuda.so"
        Libraries = [ library "libcublas.so.13" None; library "libcudnn.so.9" None ]
        Driver = Ok card
    }

let tests =
    testList
        "OnnxCuda"
        [
            test "what a provider's file asks for, and what of it can't be loaded" {
                Folder.temporary (fun folder ->
                    Provider.write folder
                    let found = OnnxCuda.examine (runtime folder)
                    Expect.isOk found.Provider "both files lie there"

                    Expect.equal
                        (found.Libraries |> List.map _.Name)
                        [ Provider.needed; "libcudnn.so.9" ]
                        "of CUDA; cuDNN besides, which no header names"

                    Expect.stringContains
                        (Expect.wantSome found.Libraries.Head.Fault "nobody has it")
                        $"{Provider.needed}: cannot open"
                        "the loader's words"

                    Expect.stringContains
                        (List.head (OnnxCuda.faults found))
                        Provider.needed
                        "the first fault")
            }

            test "a library that lies beside the provider is found there" {
                Folder.temporary (fun folder ->
                    Provider.write folder
                    File.Copy(Provider.harmless, Path.Combine(folder, Provider.needed))
                    let found = OnnxCuda.examine (runtime folder)
                    Expect.isNone found.Libraries.Head.Fault "loaded")
            }

            test "no provider, half of one, and a build without CUDA" {
                Folder.temporary (fun folder ->
                    let providerOf runtime = (OnnxCuda.examine runtime).Provider

                    Expect.equal
                        (providerOf (runtime folder))
                        (Error
                            "not beside it: libonnxruntime_providers_cuda.so, libonnxruntime_providers_shared.so")
                        "neither"

                    Provider.write folder
                    File.Delete(Path.Combine(folder, "libonnxruntime_providers_shared.so"))

                    Expect.equal
                        (providerOf (runtime folder))
                        (Error "not beside it: libonnxruntime_providers_shared.so")
                        "half"

                    let without = OnnxCuda.examine { runtime folder with Cuda = false }
                    Expect.equal without.Provider (Error "this build of it has no CUDA") "built without"
                    Expect.isEmpty without.Libraries "none needed")
            }

            test "all that is missing is told at once, and nothing where nothing is" {
                Expect.isEmpty (OnnxCuda.faults whole) "whole"

                let lacking =
                    { whole with
                        Libraries =
                            [
                                library "libcublas.so.13" (Some "libcublas.so.13: gone")
                                library "libcurand.so.10" None
                                library "libcudnn.so.9" (Some "libcudnn.so.9: gone")
                            ]
                        Driver = Error "no driver"
                    }

                Expect.equal
                    (OnnxCuda.faults lacking)
                    [
                        "libcublas.so.13, libcudnn.so.9 can't be loaded (libcublas.so.13: gone)"
                        "no driver"
                    ]
                    "libraries and driver"

                Expect.equal
                    (OnnxCuda.faults
                        { whole with
                            Driver = Ok { card with Devices = [] }
                        })
                    [ "the driver finds no device" ]
                    "a driver without a card"

                Expect.equal
                    (OnnxCuda.faults { lacking with Provider = Error "none" })
                    [ "none" ]
                    "no provider needs nothing"
            }

            test "a driver older than the libraries is told; within a major version any will do" {
                let faults driver runtime =
                    OnnxCuda.faults
                        { whole with
                            Libraries =
                                [
                                    { library "libcudart.so.13" None with
                                        Version = runtime
                                    }
                                ]
                            Driver = Ok { card with Version = driver }
                        }

                for driver in [ "13.0"; "13.2"; "14.0"; "unknown" ] do
                    Expect.isEmpty (faults driver (Some "13.1")) driver

                Expect.equal
                    (faults "12.8" (Some "13.0"))
                    [
                        "the driver runs CUDA 12.8 and the libraries are of 13.0: install a newer driver"
                    ]
                    "older"

                Expect.isEmpty (faults "12.8" None) "a library that doesn't say"
            }

            test "the devices are the processor and those of a driver whose libraries are there" {
                Expect.equal
                    (OnnxDevice.all whole |> List.map OnnxDevice.name)
                    [ "cpu"; "cuda:0"; "cuda:1" ]
                    "whole"

                Expect.equal
                    (OnnxDevice.all { whole with Provider = Error "none" })
                    [ OnnxDevice.Cpu ]
                    "no provider"
            }
        ]
