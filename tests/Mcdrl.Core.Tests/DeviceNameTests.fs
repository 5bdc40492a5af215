module Mcdrl.Tests.DeviceNameTests

open Expecto
open Mcdrl

let tests =
    testList
        "DeviceName"
        [
            test "names as they are written" {
                for name, expected in
                    [
                        "cpu", DeviceName.Cpu
                        "cuda", DeviceName.Cuda 0
                        "cuda:0", DeviceName.Cuda 0
                        "cuda:12", DeviceName.Cuda 12
                        "auto", DeviceName.Auto
                    ] do
                    Expect.equal (DeviceName.parse name) (Ok expected) name
            }

            test "other names are refused, with those that there are" {
                for name in
                    [
                        ""
                        "gpu"
                        "CPU"
                        "cuda:"
                        "cuda:-1"
                        "cuda:x"
                        "cuda: 1"
                        "cuda:0:1"
                        "cpu:0"
                        "auto:0"
                    ] do
                    DeviceName.parse name
                    |> Outcome.refusedWith 2 [ $"“device” {name}"; "Use cpu, cuda, cuda:N" ]
            }

            test "a device that can't be had is told as it was asked for, and what else there is" {
                Error(DeviceName.absent "cuda:1" "nothing is there" "buy one")
                |> Outcome.refusedWith 2 [ "“device” cuda:1: nothing is there"; "Use cpu, or buy one" ]

                Error(DeviceName.beyond "cuda:3" 2)
                |> Outcome.refusedWith 2 [ "“device” cuda:3"; "only 2 CUDA devices" ]
            }

            Property.check "a number from 0 is that device's" (fun (number: uint16) ->
                DeviceName.parse $"cuda:{number}" = Ok(DeviceName.Cuda(int number)))
        ]
