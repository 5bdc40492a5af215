namespace Mcdrl

open System
open FsToolkit.ErrorHandling
open Microsoft.ML.OnnxRuntime

/// What ONNX Runtime computes on.
[<RequireQualifiedAccess>]
type OnnxDevice =
    /// The processor.
    | Cpu
    /// An NVIDIA device, by its number.
    | Cuda of number: int

/// Devices by name.
[<RequireQualifiedAccess>]
module OnnxDevice =
    /// `cpu` or `cuda:N`.
    let name device =
        match device with
        | OnnxDevice.Cpu -> "cpu"
        | OnnxDevice.Cuda number -> $"cuda:{number}"

    let private absent asked (library: OnnxLibrary) faults =
        let listed = String.concat "; " faults

        DeviceName.absent
            asked
            $"ONNX Runtime {library.Version} in {library.Folder} can't compute there: {listed}"
            $"give ONNX Runtime what is missing: its libraries with CUDA come with the package Microsoft.ML.OnnxRuntime.Gpu.Linux or from the folder in {OnnxLibrary.FolderVariable}, those of CUDA and cuDNN from the system or LD_LIBRARY_PATH"

    let private cuda asked number =
        result {
            let! library = OnnxLibrary.examine ()
            let found = OnnxCuda.examine library

            match OnnxCuda.faults found, found.Driver with
            | [], Ok driver when number < driver.Devices.Length -> return OnnxDevice.Cuda number
            | [], Ok driver -> return! Error(DeviceName.beyond asked driver.Devices.Length)
            | faults, _ -> return! Error(absent asked library faults)
        }

    /// The device of a name (`DeviceName`). One that can't be had is a `Usage` error that says what is missing; no answer comes from another
    /// device than the one asked for.
    let parse (name: string) : Result<OnnxDevice, McdrlError> =
        DeviceName.parse name
        |> Result.bind (fun asked ->
            match asked with
            | DeviceName.Cpu -> Ok OnnxDevice.Cpu
            | DeviceName.Cuda number -> cuda name number
            | DeviceName.Auto ->
                OnnxLibrary.load ()
                |> Result.map (fun () -> cuda name 0 |> Result.defaultValue OnnxDevice.Cpu))

    /// Options of the CUDA provider for a device, before what a caller asks for besides.
    let private standard number =
        [
            "device_id", string number
            // Or it would multiply with ten bits of mantissa and call it fp32.
            "use_tf32", "0"
            // As fast as what a search of every algorithm finds, which takes a quarter of a second for each new shape.
            "cudnn_conv_algo_search", "HEURISTIC"
        ]

    let private refused device (problem: OnnxRuntimeException) =
        McdrlError.resource
            $"ONNX Runtime's CUDA provider does not start: {problem.Message.Trim().TrimEnd '.'}"
            $"“device” {name device}"
            "Run `mcdrl doctor` to see which libraries it finds, or use cpu"

    /// Has a session compute on the device; `besides` are options of ONNX Runtime's CUDA provider, by the names that it gives them.
    let internal provide
        (device: OnnxDevice)
        (besides: (string * string) list)
        (options: SessionOptions)
        : Result<unit, McdrlError> =
        match device with
        | OnnxDevice.Cpu -> Ok()
        | OnnxDevice.Cuda number ->
            try
                use provider = new OrtCUDAProviderOptions()

                provider.UpdateOptions(
                    Map.ofList (standard number @ besides) |> Collections.Generic.Dictionary
                )

                options.AppendExecutionProvider_CUDA provider
                Ok()
            with :? OnnxRuntimeException as problem ->
                Error(refused device problem)

    /// All devices that exported models can compute on here, the processor first.
    let all (cuda: OnnxCuda) : OnnxDevice list =
        match OnnxCuda.faults cuda, cuda.Driver with
        | [], Ok driver ->
            OnnxDevice.Cpu
            :: [ for number in 0 .. driver.Devices.Length - 1 -> OnnxDevice.Cuda number ]
        | _ -> [ OnnxDevice.Cpu ]
