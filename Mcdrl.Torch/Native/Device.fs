namespace Mcdrl

open System
open System.Globalization
open TorchSharp

/// The processor that a computation runs on, by name.
[<RequireQualifiedAccess>]
module Device =
    /// Number of CUDA devices that libtorch can use now; 0 for a libtorch without CUDA.
    let cudaCount () =
        Native.load ()
        |> Result.map (fun native ->
            if native.Cuda && torch.cuda.is_available () then
                torch.cuda.device_count ()
            else
                0)

    let private unknown name =
        McdrlError.usage "unknown device" $"“device” {name}" "Use cpu, cuda, cuda:N (N from 0) or auto"

    let private absent name count (native: Native) =
        let what =
            if not native.Cuda then
                $"the libtorch {native.Libtorch} in {native.Folder} has no CUDA"
            elif count = 0 then
                $"libtorch {native.Libtorch} with CUDA in {native.Folder} finds no usable CUDA device or driver"
            else
                $"there are only {count} CUDA devices, numbered from 0"

        McdrlError.usage
            what
            $"“device” {name}"
            $"Use cpu, or set {Native.FolderVariable} to a libtorch {native.Libtorch} with CUDA on a machine that has a device"

    let private cuda name index =
        Native.load ()
        |> Result.bind (fun native ->
            cudaCount ()
            |> Result.bind (fun count ->
                if index < count then
                    // Or cuDNN would convolve with ten bits of mantissa and call it fp32.
                    torch.backends.cudnn.allow_tf32 <- false
                    Ok(torch.device (DeviceType.CUDA, index))
                else
                    Error(absent name count native)))

    /// `cpu`, `cuda` (the first), `cuda:N`, or `auto`: CUDA where there is some, else the CPU.
    /// A device that isn't there is a usage error that says what was looked for.
    let parse (name: string) : Result<torch.Device, McdrlError> =
        match name.Split ':' with
        | [| "cpu" |] -> Native.load () |> Result.map (fun _ -> torch.CPU)
        | [| "cuda" |] -> cuda name 0
        | [| "cuda"; index |] ->
            match Int32.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, number -> cuda name number
            | false, _ -> Error(unknown name)
        | [| "auto" |] ->
            cudaCount ()
            |> Result.bind (fun count -> if count > 0 then cuda name 0 else Ok torch.CPU)
        | _ -> Error(unknown name)
