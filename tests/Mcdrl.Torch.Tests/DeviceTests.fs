module Mcdrl.Tests.DeviceTests

open Expecto
open Mcdrl
open TorchSharp

let private refusal name =
    match Device.parse name with
    | Ok device -> failtest $"{name} became {device}"
    | Error problem ->
        Expect.equal (McdrlError.exitCode problem) 2 "a usage error"
        McdrlError.describe problem

let tests =
    testList
        "Device"
        [
            test "cpu" {
                let device = Expect.wantOk (Device.parse "cpu") "cpu is always there"
                Expect.equal device.``type`` DeviceType.CPU "type"
            }

            test "auto takes what there is" {
                let device = Expect.wantOk (Device.parse "auto") "auto always works"
                let count = Expect.wantOk (Device.cudaCount ()) "count"
                Expect.equal (device.``type`` = DeviceType.CUDA) (count > 0) "CUDA where there is some"
            }

            test "unknown names" {
                for name in [ ""; "gpu"; "CPU"; "cuda:"; "cuda:-1"; "cuda:x"; "cuda:0:1"; "cpu:0" ] do
                    Expect.stringContains (refusal name) "Use cpu, cuda" name
            }

            test "CUDA that isn't there names the libtorch that was looked into" {
                let count = Expect.wantOk (Device.cudaCount ()) "count"
                let message = refusal $"cuda:{count}"
                Expect.stringContains message $"“device” cuda:{count}" "what was asked for"

                if count = 0 then
                    Expect.stringContains message Native.FolderVariable "what to do"
                    Expect.stringContains message "libtorch 2.10.0" "which libtorch"
                else
                    Expect.stringContains message $"only {count} CUDA devices" "how many there are"
            }
        ]
