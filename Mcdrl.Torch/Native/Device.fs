namespace Mcdrl

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

    let private absent name (native: Native) =
        let why =
            if native.Cuda then
                $"libtorch {native.Libtorch} with CUDA in {native.Folder} finds no usable CUDA device or driver"
            else
                $"the libtorch {native.Libtorch} in {native.Folder} has no CUDA"

        DeviceName.absent
            name
            why
            $"set {Native.FolderVariable} to a libtorch {native.Libtorch} with CUDA on a machine that has a device"

    let private cuda name index =
        Native.load ()
        |> Result.bind (fun native ->
            cudaCount ()
            |> Result.bind (fun count ->
                if index < count then
                    // Or cuDNN would convolve with ten bits of mantissa and call it fp32.
                    torch.backends.cudnn.allow_tf32 <- false
                    Ok(torch.device (DeviceType.CUDA, index))
                elif count > 0 then
                    Error(DeviceName.beyond name count)
                else
                    Error(absent name native)))

    /// The device of a name (`DeviceName`). One that isn't there is a usage error that says what was looked for.
    let parse (name: string) : Result<torch.Device, McdrlError> =
        DeviceName.parse name
        |> Result.bind (fun asked ->
            match asked with
            | DeviceName.Cpu -> Native.load () |> Result.map (fun _ -> torch.CPU)
            | DeviceName.Cuda number -> cuda name number
            | DeviceName.Auto ->
                cudaCount ()
                |> Result.bind (fun count -> if count > 0 then cuda name 0 else Ok torch.CPU))
