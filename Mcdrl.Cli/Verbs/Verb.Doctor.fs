namespace Mcdrl.Cli

open Argu
open Mcdrl

type DoctorArgument =
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Device _ -> "also check that this device can be used: cpu, cuda, cuda:N or auto."

/// `mcdrl doctor`: what the machine offers, and the real cause where libtorch does not load.
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
            ]

    let private run session (arguments: Argu.ParseResults<DoctorArgument>) =
        let found = Doctor.examine ()

        if session.Json then
            Session.emit session (json found)
        else
            for name, value in rows found do
                Session.say session $"{name, -20}{value}"

        found.Native
        |> Result.bind (fun _ ->
            match arguments.TryGetResult DoctorArgument.Device with
            | Some name -> Device.parse name |> Result.map ignore
            | None -> Ok())
        |> Result.map (fun () -> 0)

    let verb =
        Verb.create "doctor" "print versions, devices and, if libtorch does not load, why" run
