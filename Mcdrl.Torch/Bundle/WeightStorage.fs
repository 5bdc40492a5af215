namespace Mcdrl

open TorchSharp

/// The element type that a file of weights holds. What is read is computed in fp32 or bf16 all the same.
[<RequireQualifiedAccess>]
type WeightStorage =
    /// Single precision: four bytes a weight.
    | F32
    /// Half precision: two bytes, eleven bits of precision up to 65,504.
    | F16
    /// bfloat16: two bytes, eight bits of precision with single precision's range.
    | Bf16

/// Weights as a file is to hold them.
[<RequireQualifiedAccess>]
module WeightStorage =
    let private largestHalf = 65504.0f

    /// A float32 leaf as it is stored. Vectors (norms, biases, running statistics) stay in float32: they are few, and their range
    /// is wide; so does a kernel or matrix that half precision can't hold.
    let stored storage (leaf: Tensor) : Tensor =
        let fitsHalf () =
            leaf.numel () = 0L || leaf.detach().abs().max().item<float32>() <= largestHalf

        match storage with
        | WeightStorage.F16 when leaf.dim () > 1L && leaf.dtype = torch.float32 && fitsHalf () ->
            leaf.``to`` torch.float16
        | WeightStorage.Bf16 when leaf.dim () > 1L && leaf.dtype = torch.float32 -> leaf.``to`` torch.bfloat16
        | WeightStorage.F32
        | WeightStorage.F16
        | WeightStorage.Bf16 -> leaf.alias ()

    /// `f32`, `f16` or `bf16`.
    let name storage =
        match storage with
        | WeightStorage.F32 -> "f32"
        | WeightStorage.F16 -> "f16"
        | WeightStorage.Bf16 -> "bf16"

    /// The storage of this name.
    let parse (text: string) : Result<WeightStorage, McdrlError> =
        [ WeightStorage.F32; WeightStorage.F16; WeightStorage.Bf16 ]
        |> List.tryFind (fun storage -> name storage = text)
        |> Option.map Ok
        |> Option.defaultValue (
            Error(McdrlError.usage "there is no such storage" $"“store” {text}" "Choose f32, f16 or bf16")
        )
