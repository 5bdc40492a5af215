namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open FsToolkit.ErrorHandling

/// NVIDIA's driver and what it sees.
type CudaDriver =
    {
        /// The newest CUDA that it runs.
        Version: string
        /// Names of its devices, number 0 first.
        Devices: string list
    }

/// A library that ONNX Runtime's CUDA provider needs.
type CudaLibrary =
    {
        /// As it is asked for, e.g. `libcublas.so.13`.
        Name: string
        /// What it states, where it says so.
        Version: string option
        /// Why it can't be loaded, in the system's words.
        Fault: string option
    }

/// What ONNX Runtime has to compute on an NVIDIA device.
type OnnxCuda =
    {
        /// The provider's file, or why there is none for this ONNX Runtime.
        Provider: Result<string, string>
        /// What the provider needs besides the driver; empty where there is no provider.
        Libraries: CudaLibrary list
        /// The driver, or why there is none.
        Driver: Result<CudaDriver, string>
    }

/// Looks for what ONNX Runtime's CUDA provider needs.
[<RequireQualifiedAccess>]
module OnnxCuda =
    let private driverName = "libcuda.so.1"

    /// Loaded by the provider itself, and by none of its file's headers.
    let private cudnnName = "libcudnn.so.9"

    let private noDevice = "the driver finds no device"
    let private providerName = "libonnxruntime_providers_cuda.so"
    let private bridgeName = "libonnxruntime_providers_shared.so"

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private Start = delegate of flags: uint32 -> int

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private AskNumber = delegate of answer: byref<int> -> int

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private AskDevice = delegate of device: byref<int> * ordinal: int -> int

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private AskName = delegate of name: byte[] * length: int * device: int -> int

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private AskSize = delegate of unit -> unativeint

    let private bind<'Function when 'Function :> Delegate and 'Function: not null> handle name =
        match NativeLibrary.TryGetExport(handle, name) with
        | true, entry -> Some(Marshal.GetDelegateForFunctionPointer<'Function> entry)
        | false, _ -> None

    /// By its name, which the system looks up, or from the provider's folder. A library that is loaded once is found by its name by
    /// those that need it.
    let private tryLoad (folder: string) (name: string) =
        SharedLibrary.load name
        |> Result.orElseWith (fun fault ->
            match NativeLibrary.TryLoad(Path.Combine(folder, name)) with
            | true, handle -> Ok handle
            | false, _ -> Error fault)

    /// 13000 is 13.0.
    let private cudaVersion number = $"{number / 1000}.{number % 1000 / 10}"

    let private number handle name =
        bind<AskNumber> handle name
        |> Option.bind (fun ask ->
            let mutable answer = 0
            if ask.Invoke(&answer) = 0 then Some answer else None)

    /// 91002 is 9.10.2.
    let private cudnnVersion number =
        $"{number / 10000}.{number % 10000 / 100}.{number % 100}"

    let private isRuntime (name: string) = name.StartsWith "libcudart."

    let private statedVersion (name: string) handle =
        if isRuntime name then
            number handle "cudaRuntimeGetVersion" |> Option.map cudaVersion
        elif name = cudnnName then
            bind<AskSize> handle "cudnnGetVersion"
            |> Option.map (fun ask -> cudnnVersion (int (ask.Invoke())))
        else
            None

    let private library folder name : CudaLibrary =
        match tryLoad folder name with
        | Ok handle ->
            {
                Name = name
                Version = statedVersion name handle
                Fault = None
            }
        | Error fault ->
            {
                Name = name
                Version = None
                Fault = Some fault
            }

    let private nameOf handle ordinal =
        let unnamed = $"device {ordinal}"

        match bind<AskDevice> handle "cuDeviceGet", bind<AskName> handle "cuDeviceGetName" with
        | Some device, Some name ->
            let mutable found = 0
            let text = Array.zeroCreate<byte> 256

            if device.Invoke(&found, ordinal) = 0 && name.Invoke(text, text.Length, found) = 0 then
                Text.Encoding.UTF8.GetString(text).TrimEnd '\000'
            else
                unnamed
        | _ -> unnamed

    let private driver () : Result<CudaDriver, string> =
        match tryLoad AppContext.BaseDirectory driverName with
        | Error fault -> Error fault
        | Ok handle ->
            match bind<Start> handle "cuInit" with
            | None -> Error $"{driverName} is not NVIDIA's"
            | Some start ->
                match start.Invoke 0u with
                | 0 ->
                    let count = number handle "cuDeviceGetCount" |> Option.defaultValue 0

                    Ok
                        {
                            Version =
                                number handle "cuDriverGetVersion"
                                |> Option.map cudaVersion
                                |> Option.defaultValue "unknown"
                            Devices = List.init count (nameOf handle)
                        }
                // CUDA_ERROR_NO_DEVICE
                | 100 -> Error noDevice
                | code -> Error $"the driver does not start (CUDA error {code})"

    /// The libraries of CUDA that a provider's file asks for, in the order in which they need each other.
    let private librariesOf provider =
        let asked =
            Elf.neededLibraries provider
            |> Option.defaultValue []
            |> List.filter (fun name -> name.StartsWith "libcu" && name <> driverName)

        List.distinct (asked @ [ cudnnName ])

    /// What there is of it for an ONNX Runtime. What can be loaded is loaded, and stays.
    let examine (runtime: OnnxLibrary) : OnnxCuda =
        let folder = runtime.Folder

        let missing =
            [ providerName; bridgeName ]
            |> List.filter (fun name -> not (File.Exists(Path.Combine(folder, name))))

        let provider =
            if not runtime.Cuda then
                Error "this build of it has no CUDA"
            elif missing.IsEmpty then
                Ok(Path.Combine(folder, providerName))
            else
                let listed = String.concat ", " missing
                Error $"not beside it: {listed}"

        {
            Provider = provider
            Libraries =
                provider
                |> Result.map (librariesOf >> List.map (library folder))
                |> Result.defaultValue []
            Driver = driver ()
        }

    /// The name of CUDA's runtime, where the provider needs it.
    let internal runtimeName (cuda: OnnxCuda) : string option =
        cuda.Libraries |> List.map _.Name |> List.tryFind isRuntime

    /// A driver runs the libraries of its own major version and of older ones.
    let private tooOld (driver: CudaDriver) (libraries: CudaLibrary list) =
        let major (version: string) =
            match Int32.TryParse(version.Split('.')[0]) with
            | true, number -> Some number
            | false, _ -> None

        libraries
        |> List.tryFind (fun library -> isRuntime library.Name)
        |> Option.bind _.Version
        |> Option.filter (fun needed ->
            match major driver.Version, major needed with
            | Some has, Some needs -> has < needs
            | _ -> false)
        |> Option.map (fun needed ->
            $"the driver runs CUDA {driver.Version} and the libraries are of {needed}: install a newer driver")

    /// Why it can't compute on any device: all that is missing. Empty where it can.
    let faults (cuda: OnnxCuda) : string list =
        match cuda.Provider with
        | Error missing -> [ missing ]
        | Ok _ ->
            [
                match cuda.Libraries |> List.filter _.Fault.IsSome with
                | [] -> ()
                | first :: _ as missing ->
                    let listed = missing |> List.map _.Name |> String.concat ", "
                    $"{listed} can't be loaded ({Option.get first.Fault})"

                match cuda.Driver with
                | Error fault -> fault
                | Ok found when found.Devices.IsEmpty -> noDevice
                | Ok found -> yield! Option.toList (tooOld found cuda.Libraries)
            ]
