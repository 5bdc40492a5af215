namespace Mcdrl

open System.Diagnostics
open TorchSharp

/// Which of libtorch's two libraries for products is the faster one on this processor.
[<RequireQualifiedAccess>]
module internal Kernels =
    /// Tokens and width of about a vision transformer's layers at one frame.
    let private rows, private width = 256L, 1024L

    let private rounds = 5

    /// Products of one shape in turn, the first of each not counted; the shortest time of each.
    let private measure () =
        use _inference = torch.inference_mode ()
        use _scope = torch.NewDisposeScope()
        let x = torch.ones (rows, width)
        let weight = torch.ones (width, width)
        let packed = OneDnn.packLinear weight

        let seconds (product: unit -> Tensor) =
            let start = Stopwatch.GetTimestamp()
            use _answer = product ()
            Stopwatch.GetElapsedTime(start).TotalSeconds

        let mkl () = torch.nn.functional.linear (x, weight)

        let oneDnn () =
            OneDnn.linear Epilogue.Nothing packed None x

        let times = [ for _ in 0..rounds -> seconds mkl, seconds oneDnn ] |> List.tail
        times |> List.map fst |> List.min, times |> List.map snd |> List.min

    /// MKL is taken only where it is this much faster: where they are nearly equal, chance must not decide the last bits.
    let private clearly = 1.25

    let private chosen =
        lazy
            (let mkl, oneDnn = measure ()
             oneDnn <= clearly * mkl)

    /// Whether linear layers in fp32 are to be computed by oneDNN with packed weights, not by MKL with plain ones. Measured
    /// once a process, in some 20 ms.
    let packedIsFaster () = chosen.Force()
