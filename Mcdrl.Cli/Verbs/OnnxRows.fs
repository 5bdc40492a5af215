namespace Mcdrl.Cli

open System.Text.Json.Nodes
open Mcdrl

/// What `mcdrl doctor` says of ONNX Runtime: its library, and what it has to compute on an NVIDIA device.
[<RequireQualifiedAccess>]
module OnnxRows =
    let private states (library: CudaLibrary) =
        match library.Fault, library.Version with
        | Some fault, _ -> $"MISSING {fault}"
        | None, Some version -> $"{library.Name} ({version})"
        | None, None -> library.Name

    let private driver (found: Result<CudaDriver, string>) =
        match found with
        | Error fault -> $"none: {fault}"
        | Ok driver ->
            let devices = String.concat ", " driver.Devices
            $"CUDA {driver.Version}, {driver.Devices.Length} devices: {devices}"

    let private devices cuda =
        OnnxDevice.all cuda |> List.map OnnxDevice.name

    let private examine () =
        OnnxLibrary.examine ()
        |> Result.map (fun library -> library, OnnxCuda.examine library)

    /// Names and values, for people.
    let rows () : (string * string) list =
        match examine () with
        | Error problem -> [ "onnxruntime", "DOES NOT LOAD: " + Flags.describe problem ]
        | Ok(library, cuda) ->
            [
                "onnxruntime", library.Version
                "onnxruntime folder", library.Folder

                "CUDA provider",
                match cuda.Provider with
                | Ok file -> file
                | Error missing -> $"none: {missing}"

                for needed in cuda.Libraries do
                    "CUDA library", states needed

                "CUDA driver", driver cuda.Driver
                "onnxruntime devices", String.concat " " (devices cuda)
            ]

    let private library (needed: CudaLibrary) : JsonNode =
        Json.object
            [
                "name", Json.text needed.Name
                "version", needed.Version |> Option.map Json.text |> Option.toObj
                "error", needed.Fault |> Option.map Json.text |> Option.toObj
            ]

    /// The same under the names of JSON.
    let fields () : (string * JsonNode | null) list =
        match examine () with
        | Error problem -> [ "onnxruntime_error", Json.text (Flags.describe problem) ]
        | Ok(found, cuda) ->
            [
                "onnxruntime", Json.text found.Version
                "onnxruntime_folder", Json.text found.Folder
                "cuda_provider", cuda.Provider |> Result.map Json.text |> Result.toOption |> Option.toObj
                "cuda_libraries", Json.array (cuda.Libraries |> Seq.map library)

                match cuda.Driver with
                | Ok driver ->
                    "cuda_driver", Json.text driver.Version
                    "cuda_devices", Json.array (driver.Devices |> Seq.map Json.text)
                | Error _ -> "cuda_driver", null

                "cuda_missing", Json.array (OnnxCuda.faults cuda |> Seq.map Json.text)
                "onnxruntime_devices", Json.array (devices cuda |> Seq.map Json.text)
            ]
