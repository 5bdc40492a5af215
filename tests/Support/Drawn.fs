/// Random tensors from a generator of the test's own: torch's is one for all threads, and whoever draws from it beside another gets other
/// numbers in every run.
module Mcdrl.Tests.Drawn

open System
open TorchSharp

/// The generator of the test on this thread.
type private Own() =
    [<ThreadStatic; DefaultValue>]
    static val mutable private generator: torch.Generator | null

    static member Generator
        with get () = Own.generator
        and set value = Own.generator <- value

/// Begins anew.
let seed (number: uint64) =
    Own.Generator <- new torch.Generator(number)

let private generator () =
    match Own.Generator with
    | null ->
        seed 1UL
        nonNull Own.Generator
    | own -> own

/// From the standard normal distribution.
let normal (shape: int64 array) =
    torch.randn (shape, generator = generator ())

/// From [0, 1).
let uniform (shape: int64 array) =
    torch.rand (shape, dtype = torch.float32, generator = generator ())

/// Whole numbers from `low` to `high` − 1.
let whole (low: int64) (high: int64) (shape: int64 array) =
    torch.randint (low, high, shape, dtype = torch.int64, generator = generator ())
