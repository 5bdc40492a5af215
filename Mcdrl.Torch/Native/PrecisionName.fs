namespace Mcdrl

/// How precisions are named on the command line and in bundles.
[<RequireQualifiedAccess>]
module PrecisionName =
    /// `fp32` or `bf16`.
    let ofPrecision precision =
        match precision with
        | Precision.Fp32 -> "fp32"
        | Precision.Bf16 -> "bf16"

    /// The precision of this name; `None` for any other text.
    let tryParse name =
        [ Precision.Fp32; Precision.Bf16 ]
        |> List.tryFind (fun precision -> ofPrecision precision = name)

    /// bf16 where the device named has instructions for it, else fp32.
    let fastOn (device: string) =
        match DeviceName.parse device with
        | Ok(DeviceName.Cuda _) -> Precision.Bf16
        | _ when Processor.hasFastBf16 () -> Precision.Bf16
        | _ -> Precision.Fp32

    /// `fp32`, `bf16`, or `auto` for bf16 where the device named has instructions for it. `None` where the argument is
    /// absent: what the model records.
    let parse (device: string) (name: string option) : Result<Precision option, McdrlError> =
        match name, Option.bind tryParse name with
        | None, _ -> Ok None
        | Some "auto", _ -> Ok(Some(fastOn device))
        | Some _, Some precision -> Ok(Some precision)
        | Some name, None ->
            Error(
                McdrlError.usage
                    "there is no such precision"
                    $"“precision” {name}"
                    "Choose auto, fp32 or bf16"
            )
