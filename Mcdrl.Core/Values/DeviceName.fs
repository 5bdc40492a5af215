namespace Mcdrl

open System
open System.Globalization

/// What is to compute, as it is asked for by name, whichever engine does.
[<RequireQualifiedAccess>]
type DeviceName =
    /// `cpu`: the processor.
    | Cpu
    /// `cuda:N`, an NVIDIA device by its number from 0; `cuda` is the first.
    | Cuda of number: int
    /// `auto`: a CUDA device where there is all that one needs, else the processor.
    | Auto

/// Devices' names read, and what is said of those that can't be had.
[<RequireQualifiedAccess>]
module DeviceName =
    let private refused what name fix =
        McdrlError.usage what $"“device” {name}" fix

    let private unknown name =
        refused "unknown device" name "Use cpu, cuda, cuda:N (N from 0) or auto"

    /// What a name says; another is a `Usage` error.
    let parse (name: string) : Result<DeviceName, McdrlError> =
        match name.Split ':' with
        | [| "cpu" |] -> Ok DeviceName.Cpu
        | [| "cuda" |] -> Ok(DeviceName.Cuda 0)
        | [| "cuda"; index |] ->
            match Int32.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, number -> Ok(DeviceName.Cuda number)
            | false, _ -> Error(unknown name)
        | [| "auto" |] -> Ok DeviceName.Auto
        | _ -> Error(unknown name)

    /// A device that can't be had, as it was asked for: why, and what else than `cpu` would help.
    let absent (name: string) (why: string) (remedy: string) : McdrlError =
        refused why name $"Use cpu, or {remedy}"

    /// A number that no device has, of so many that there are.
    let beyond (name: string) (count: int) : McdrlError =
        refused $"there are only {count} CUDA devices, numbered from 0" name "Use one of them, or cpu"
