namespace Mcdrl

open System.Diagnostics
open TorchSharp

/// The rate of one large product of matrices in libtorch, in 10⁹ operations a second: what the machine can do.
type MatmulPeak =
    {
        /// The element type of the product.
        Precision: Precision
        /// By `matmul`.
        Matmul: float
        /// By the same product written as a convolution, which goes another way through libtorch.
        Convolution: float
    }

    /// The better of the two.
    member this.Best = max this.Matmul this.Convolution

/// Measures the peak of a device.
[<RequireQualifiedAccess>]
module MatmulPeak =
    /// Rows, columns and depth: enough to keep the device busy.
    let private sizeOn (device: torch.Device) =
        if device.``type`` = DeviceType.CUDA then 8192L else 2048L

    /// Each way is tried so often; the best counts.
    let private attempts = 5

    let private rate (device: torch.Device) (compute: unit -> Tensor) =
        let once () =
            use _scope = torch.NewDisposeScope()
            let clock = Stopwatch.StartNew()
            compute () |> ignore

            if device.``type`` = DeviceType.CUDA then
                torch.cuda.synchronize ()

            clock.Elapsed.TotalSeconds

        once () |> ignore
        let best = List.init attempts (fun _ -> once ()) |> List.min
        let size = float (sizeOn device)
        2.0 * size * size * size / best / 1e9

    /// Measured with the calling thread's number of torch threads.
    let measure (device: torch.Device) (precision: Precision) : MatmulPeak =
        use _inference = torch.inference_mode ()
        use _scope = torch.NewDisposeScope()

        let size = sizeOn device

        let matrix part : Tensor =
            (SeedTensors.normal [ size; size ] (Seed.named part (Seed.create 1UL)))
                .``to``(Precision.dtype precision)
                .``to``
                device

        let a, b = matrix "a", matrix "b"
        let pixels = a.view (1L, size, size, 1L)
        let kernels = b.view (size, size, 1L, 1L)

        {
            Precision = precision
            Matmul = rate device (fun () -> a.matmul b)
            Convolution = rate device (fun () -> torch.nn.functional.conv2d (pixels, kernels))
        }
