namespace Mcdrl

open TorchSharp

type Tensor = torch.Tensor

/// Tensor lifetime and the small vocabulary that every other file speaks.
[<AutoOpen>]
module Tensors =
    /// The factor in `a.add (b, unity)`. Without it TorchSharp makes a `Scalar` for the 1, which
    /// the collector may free while libtorch still reads it, as soon as another thread allocates. This one lives for ever.
    let unity: Scalar = 1L.ToScalar()

    /// A number as a tensor without axes, which takes the element type of what it is combined with. Not a `Scalar`, for
    /// the reason given at `unity`: a tensor is held by its scope.
    let scalar (value: float) : Tensor =
        torch.tensor (value, dtype = torch.float64)

    /// As `unity`, the lower end of `clipped`.
    let private nought: Scalar = 0L.ToScalar()

    /// Each element brought into [0, 1], on the device where they are.
    let clipped (x: Tensor) : Tensor = x.clamp (nought, unity)

    /// x², element by element; TorchSharp's `square` makes a `Scalar` for the 2.
    let squared (x: Tensor) : Tensor = x.mul x

    /// Runs `f` in a scope: whatever tensors it makes are freed at the end, except its result.
    /// Scopes belong to one thread; never hand a lazy value out of one.
    let inline scoped ([<InlineIfLambda>] f: unit -> Tensor) : Tensor =
        use _scope = torch.NewDisposeScope()
        (f ()).MoveToOuterDisposeScope()

    /// At least fp32: what is narrower is made fp32.
    let widened (x: Tensor) : Tensor =
        match x.dtype with
        | torch.ScalarType.BFloat16
        | torch.ScalarType.Float16 -> x.``to`` torch.float32
        | _ -> x.alias ()

    /// (1 − weight)·a + weight·b
    let blend (weight: float) (a: Tensor) (b: Tensor) : Tensor =
        scoped (fun () -> a.add ((b.sub a).mul(scalar weight), unity))

    /// What `f` makes of so many rows of the leading axis at a time, one part after the other along that axis.
    let inParts (rows: int64) (f: Tensor -> Tensor) (x: Tensor) : Tensor =
        scoped (fun () ->
            let all = x.shape[0]

            torch.cat (
                [|
                    for first in 0L .. rows .. all - 1L -> f (x.narrow (0L, first, min rows (all - first)))
                |],
                0L
            ))

    /// `scoped` for a result that is not a single tensor: `kept` lists the tensors that live on.
    let inline scopedWith (kept: 'a -> Tensor seq) ([<InlineIfLambda>] f: unit -> 'a) : 'a =
        use _scope = torch.NewDisposeScope()
        let result = f ()

        for tensor in kept result do
            tensor.MoveToOuterDisposeScope() |> ignore

        result

    /// Composition of layers: `(f --> g) x = g (f x)`. The value between them is freed with the scope.
    let inline (-->)
        ([<InlineIfLambda>] f: Tensor -> Tensor)
        ([<InlineIfLambda>] g: Tensor -> Tensor)
        : Tensor -> Tensor =
        fun x -> scoped (fun () -> g (f x))

    /// The sizes of a tensor as text, `[2, 3, 224, 224]`, for error messages.
    let shapeText (shape: int64 seq) =
        shape |> Seq.map string |> String.concat ", " |> sprintf "[%s]"
