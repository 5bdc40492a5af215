namespace Mcdrl.Tests

open System
open TorchSharp

[<RequireQualifiedAccess>]
module LiveTensors =
    /// How many tensors live, once those that earlier tests left to the collector are gone: it would else take them in the
    /// middle of a count.
    let count () =
        GC.Collect()
        GC.WaitForPendingFinalizers()
        torch.Tensor.TotalCount
