namespace Mcdrl

/// A tower from named tensors, whatever file they came from.
[<RequireQualifiedAccess>]
module WeightTensors =
    /// Only floating-point tensors can be weights.
    let requireFloats path (tensors: Map<string, Tensor>) =
        tensors
        |> Map.toList
        |> List.filter (fun (_, tensor) -> not (tensor.is_floating_point ()))
        |> List.map (fun (name, tensor) ->
            let found =
                SafetensorsHeader.dtypeName tensor.dtype
                |> Option.defaultValue (string tensor.dtype)

            McdrlError.model
                $"it is {found}, a weight must be F32, F16 or BF16"
                $"{path}, tensor \"{name}\""
                "Use the published weights")
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok())

    /// Builds an image tower from named tensors, as a bundle keeps them: the names of `Tree.leaves` of a `Tower`, and
    /// `Tower.facts`. All missing, unexpected and mismatching names are reported at once.
    let tower
        (origin: string)
        (facts: Map<string, string>)
        (tensors: Map<string, Tensor>)
        : Result<Tower, McdrlError> =
        requireFloats origin tensors
        |> Result.bind (fun () -> Tower.assemble origin facts tensors)
