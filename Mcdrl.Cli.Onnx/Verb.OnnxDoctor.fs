namespace Mcdrl.Cli

open System.Runtime.InteropServices
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type OnnxDoctorArgument =
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Device _ -> "also check that this device can be used: cpu, cuda, cuda:N or auto."

/// `mcdrl doctor` of the command that has no libtorch.
[<RequireQualifiedAccess>]
module OnnxDoctorVerb =
    let private run session (arguments: ParseResults<OnnxDoctorArgument>) =
        result {
            let system =
                $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"

            if session.Json then
                Session.emit
                    session
                    (Json.object
                        [
                            "mcdrl", Json.text Product.version
                            "dotnet", Json.text RuntimeInformation.FrameworkDescription
                            "system", Json.text system
                            yield! OnnxRows.fields ()
                        ])
            else
                let rows =
                    [
                        "mcdrl", Product.version
                        ".NET", RuntimeInformation.FrameworkDescription
                        "system", system
                        yield! OnnxRows.rows ()
                    ]

                for name, value in rows do
                    Session.say session $"{name, -20}{value}"

            do! OnnxLibrary.load ()

            match arguments.TryGetResult OnnxDoctorArgument.Device with
            | Some name ->
                let! _ = OnnxDevice.parse name
                return 0
            | None -> return 0
        }

    let verb =
        Verb.create<OnnxDoctorArgument>
            "doctor"
            "print versions, devices and, if ONNX Runtime or CUDA does not load, why"
            run
