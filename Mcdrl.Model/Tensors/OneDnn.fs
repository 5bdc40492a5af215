namespace Mcdrl

open System.Runtime.InteropServices
open TorchSharp

/// What a kernel of `OneDnn` does to its result before it is written.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type Epilogue =
    /// The result as it is.
    | Nothing
    /// max(0, x)
    | Relu
    /// The Gaussian error linear unit, exact form.
    | Gelu
    /// x·σ(x)
    | Swish
    /// The sum with a tensor of the result's shape.
    | Add of Tensor
    /// max(0, ·) of that sum.
    | AddRelu of Tensor

/// The C interface of libtorch, which has operations that TorchSharp has no method for. A function returns 0, or prints
/// why it failed.
module private LibTorch =
    [<Literal>]
    let Library = "libtorch_cpu.so"

    [<DllImport(Library)>]
    extern int aoti_torch_get_layout(nativeint tensor, int& layout)

    [<DllImport(Library)>]
    extern int aoti_torch_layout__mkldnn()

    [<DllImport(Library)>]
    extern int aoti_torch_new_tensor_handle(nativeint tensor, nativeint& another)

    [<DllImport(Library)>]
    extern int torch_new_list_reserve_size(unativeint size, nativeint& list)

    [<DllImport(Library)>]
    extern int torch_list_push_back(nativeint list, uint64 item)

    /// C++'s operator new.
    [<DllImport("libstdc++.so.6")>]
    extern nativeint _Znwm(unativeint size)

    [<DllImport(Library)>]
    extern int torch_call_dispatcher(string name, string overload, uint64[] stack, uint64 version)

    [<DllImport(Library)>]
    extern int aoti_torch_cpu__linear_pointwise(
        nativeint x,
        nativeint weight,
        nativeint[] bias,
        string epilogue,
        nativeint scalars,
        int64 scalarCount,
        string[] algorithm,
        nativeint& result
    )

    [<DllImport(Library)>]
    extern int aoti_torch_cpu__linear_pointwise_binary(
        nativeint x,
        nativeint other,
        nativeint weight,
        nativeint[] bias,
        string operation,
        nativeint& result
    )

    [<DllImport(Library)>]
    extern int aoti_torch_cpu_mkldnn__convolution_pointwise(
        nativeint x,
        nativeint weight,
        nativeint[] bias,
        int64[] padding,
        int64 paddingCount,
        int64[] stride,
        int64 strideCount,
        int64[] dilation,
        int64 dilationCount,
        int64 groups,
        string epilogue,
        nativeint scalars,
        int64 scalarCount,
        string[] algorithm,
        nativeint& result
    )

    /// An optional argument that is given; the dispatcher takes it over.
    let some (value: uint64) =
        let box = _Znwm 8un
        Marshal.WriteInt64(box, int64 value)
        uint64 box

    /// Version 2.10 of the calling convention of `torch_call_dispatcher`.
    let version = (2UL <<< 56) ||| (10UL <<< 48)

    let succeed operation code =
        if code <> 0 then
            invalidOp $"libtorch refuses {operation}; it says why on stderr"

    /// A tensor of TorchSharp's, in the current scope.
    let own (handle: nativeint) = torch.Tensor.UnsafeCreateTensor handle

    /// An argument that the dispatcher takes over.
    let tensor (value: Tensor) =
        let mutable another = 0n
        aoti_torch_new_tensor_handle (value.Handle, &another) |> succeed "a reference"
        uint64 another

    /// A list of numbers that the dispatcher takes over.
    let integers (values: int64 list) =
        let mutable list = 0n

        torch_new_list_reserve_size (unativeint values.Length, &list)
        |> succeed "a list"

        for value in values do
            torch_list_push_back (list, uint64 value) |> succeed "an item"

        uint64 list

    /// The first result of an operation that libtorch knows by name.
    let call name (arguments: uint64 list) =
        let stack = Array.ofList arguments
        torch_call_dispatcher (name, "", stack, version) |> succeed name
        stack[0]

/// Linear layers and convolutions for inference on the processor, by oneDNN with weights laid out once for its
/// kernels ("packed"). A packed weight keeps its sizes and can be used here alone.
[<RequireQualifiedAccess>]
module OneDnn =
    let private absent = 0UL

    /// Whether oneDNN can compute in bf16 on this processor at all, fast or not.
    let supportsBf16 () =
        LibTorch.call "mkldnn::_is_mkldnn_bf16_supported" [ absent ] &&& 1UL = 1UL

    /// Whether a weight is laid out for oneDNN, so that only the kernels here can read it.
    let isPacked (weight: Tensor) =
        let mutable layout = 0

        LibTorch.aoti_torch_get_layout (weight.Handle, &layout)
        |> LibTorch.succeed "a layout"

        layout = LibTorch.aoti_torch_layout__mkldnn ()

    /// Lays out the weight of a linear layer. [outputs, inputs], fp32 or bf16, on the processor
    let packLinear (weight: Tensor) =
        LibTorch.call "mkldnn::_reorder_linear_weight" [ LibTorch.tensor weight; absent ]
        |> nativeint
        |> LibTorch.own

    /// Sides of the map that convolutions are laid out for. The layout hardly depends on it, but without any libtorch
    /// chooses one that its kernels must change at every call.
    let private usualSide = 14L

    /// Lays out the weight of a convolution. [outputs, inputs, h, w], fp32 or bf16, on the processor. One of 1×1 becomes
    /// [outputs, inputs]: as a linear layer over the cells it is up to five times faster.
    let packConvolution (stride: int64) (padding: int64) (weight: Tensor) =
        if weight.shape[2] = 1L && weight.shape[3] = 1L && padding = 0L then
            scoped (fun () -> packLinear (weight.flatten 1L))
        else
            let both value = LibTorch.integers [ value; value ]

            let map =
                LibTorch.integers [ 1L; weight.shape[1]; stride * usualSide; stride * usualSide ]

            LibTorch.call
                "mkldnn::_reorder_convolution_weight"
                [
                    LibTorch.tensor weight
                    both padding
                    both stride
                    both 1L
                    1UL
                    LibTorch.some map
                ]
            |> nativeint
            |> LibTorch.own

    let private orNull (bias: Tensor option) : nativeint[] =
        match bias with
        | Some bias -> [| bias.Handle |]
        | None -> Unchecked.defaultof<_>

    let private named epilogue =
        match epilogue with
        | Epilogue.Relu -> "relu"
        | Epilogue.Gelu -> "gelu"
        | Epilogue.Swish -> "swish"
        | Epilogue.Nothing
        | Epilogue.Add _
        | Epilogue.AddRelu _ -> "none"

    /// oneDNN's name for the exact form, which gelu alone asks for.
    let private algorithm epilogue : string[] =
        match epilogue with
        | Epilogue.Gelu -> [| "none" |]
        | _ -> Unchecked.defaultof<_>

    /// epilogue(x Wᵀ + b), W packed. [..., inputs] → [..., outputs]; x and W have one element type.
    let linear epilogue (weight: Tensor) (bias: Tensor option) (x: Tensor) =
        let mutable result = 0n

        let plus (other: Tensor) =
            LibTorch.aoti_torch_cpu__linear_pointwise_binary (
                x.Handle,
                other.Handle,
                weight.Handle,
                orNull bias,
                "add",
                &result
            )
            |> LibTorch.succeed "a linear layer"

            LibTorch.own result

        match epilogue with
        | Epilogue.Add other -> plus other
        | Epilogue.AddRelu other -> (plus other).relu_()
        | Epilogue.Nothing
        | Epilogue.Relu
        | Epilogue.Gelu
        | Epilogue.Swish ->
            LibTorch.aoti_torch_cpu__linear_pointwise (
                x.Handle,
                weight.Handle,
                orNull bias,
                named epilogue,
                0n,
                0L,
                algorithm epilogue,
                &result
            )
            |> LibTorch.succeed "a linear layer"

            LibTorch.own result

    /// [B, C, h, w] → [B, h, w, C] and back, without moving anything.
    let private cellsOf (map: Tensor) = map.permute (0L, 2L, 3L, 1L)
    let private mapOf (cells: Tensor) = cells.permute (0L, 3L, 1L, 2L)

    /// A 1×1 convolution.
    let private perCell epilogue (stride: int64) weight bias (x: Tensor) =
        scoped (fun () ->
            let every (axis: int64) (x: Tensor) =
                if stride = 1L then
                    x
                else
                    x.slice (axis, 0L, x.shape[int axis], stride)

            let epilogue =
                match epilogue with
                | Epilogue.Add other -> Epilogue.Add(cellsOf other)
                | Epilogue.AddRelu other -> Epilogue.AddRelu(cellsOf other)
                | alone -> alone

            cellsOf x |> every 1L |> every 2L |> linear epilogue weight bias |> mapOf)

    /// epilogue(W ∗ x + b), W packed, zero padding. [B, inputs, h, w] → [B, outputs, h', w'] in channels-last order;
    /// x and W have one element type.
    let convolution
        epilogue
        (stride: int64)
        (padding: int64)
        (weight: Tensor)
        (bias: Tensor option)
        (x: Tensor)
        =
        let both value = [| value; value |]

        if weight.dim () = 2L then
            perCell epilogue stride weight bias x
        else
            let mutable result = 0n

            LibTorch.aoti_torch_cpu_mkldnn__convolution_pointwise (
                x.Handle,
                weight.Handle,
                orNull bias,
                both padding,
                2L,
                both stride,
                2L,
                both 1L,
                2L,
                1L,
                named epilogue,
                0n,
                0L,
                algorithm epilogue,
                &result
            )
            |> LibTorch.succeed "a convolution"

            let computed = LibTorch.own result

            match epilogue with
            | Epilogue.Add other -> computed.add_ (other, unity)
            | Epilogue.AddRelu other -> computed.add_(other, unity).relu_()
            | _ -> computed
