namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DoctorArgument =
    | [<Unique>] Device of name: string
    | [<Unique>] Onnx

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Device _ -> "also check that this device can be used: cpu, cuda, cuda:N or auto."
            | Onnx -> "check it for exported models, which ONNX Runtime computes, and not for libtorch."

/// `mcdrl doctor`: what the machine offers, and the real cause where libtorch or ONNX Runtime does not load.
[<RequireQualifiedAccess>]
module DoctorVerb =
    let private mebibytes (bytes: int64) = $"{bytes / 1048576L} MiB"

    let private orNone text = if text = "" then "none" else text

    let private nativeRows (found: Result<Native, McdrlError>) =
        match found with
        | Error problem -> [ "libtorch", "DOES NOT LOAD: " + Flags.describe problem ]
        | Ok native ->
            [
                "libtorch", native.Libtorch + (if native.Cuda then " with CUDA" else "")
                "libtorch folder", native.Folder
                "TorchSharp", native.TorchSharp

                "TorchSharp library",
                if native.Weakened then
                    $"{native.Bridge}, as a copy that does without the GLIBCXX version missing here"
                else
                    native.Bridge
            ]

    let private rows (found: Diagnosis) =
        [
            "mcdrl", found.Mcdrl
            ".NET", found.Runtime
            "system", found.System
            "glibc", orNone found.Glibc
            "libstdc++ GLIBCXX", orNone found.Glibcxx
            "processor", found.Processor
            "processors", string found.Processors
            "features", orNone (String.concat " " found.Features)
            "memory", mebibytes found.Memory
            yield! nativeRows found.Native
            "torch threads", string found.Threads
            "devices", orNone (String.concat " " found.Devices)
            yield! OnnxRows.rows ()
            "dcmtk",
            Dcmtk.version ()
            |> Option.defaultValue "none (DICOM files: apt-get install dcmtk)"
        ]

    let private texts values =
        values |> Seq.map Json.text |> Json.array

    let private json (found: Diagnosis) =
        Json.object
            [
                "mcdrl", Json.text found.Mcdrl
                "dotnet", Json.text found.Runtime
                "system", Json.text found.System
                "glibc", Json.text found.Glibc
                "glibcxx", Json.text found.Glibcxx
                "processor", Json.text found.Processor
                "processors", Json.whole found.Processors
                "features", texts found.Features
                "memory_bytes", Json.whole found.Memory
                "threads", Json.whole found.Threads
                "devices", texts found.Devices
                "dcmtk", Dcmtk.version () |> Option.map Json.text |> Option.defaultValue null
                match found.Native with
                | Ok native ->
                    "libtorch", Json.text native.Libtorch
                    "libtorch_folder", Json.text native.Folder
                    "torchsharp", Json.text native.TorchSharp
                    "weakened", Json.flag native.Weakened
                    "cuda", Json.flag native.Cuda
                | Error problem -> "error", Json.text (Flags.describe problem)
                yield! OnnxRows.fields ()
            ]

    let private check isOnnx name =
        if isOnnx then
            OnnxDevice.parse name |> Result.ignore
        else
            Device.parse name |> Result.ignore

    let private run session (arguments: Argu.ParseResults<DoctorArgument>) =
        let found = Doctor.examine ()

        if session.Json then
            Session.emit session (json found)
        else
            for name, value in rows found do
                Session.say session $"{name, -20}{value}"

        let isOnnx = arguments.Contains DoctorArgument.Onnx
        let native = if isOnnx then Ok() else Result.ignore found.Native

        native
        |> Result.bind (fun () ->
            arguments.TryGetResult DoctorArgument.Device
            |> Option.map (check isOnnx)
            |> Option.defaultValue (Ok()))
        |> Result.map (fun () -> 0)

    let verb =
        Verb.create "doctor" "print versions, devices and, if libtorch or CUDA does not load, why" run
