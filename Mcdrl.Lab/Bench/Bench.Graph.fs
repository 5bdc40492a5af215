namespace Mcdrl

open System
open System.Runtime.InteropServices
open FsToolkit.ErrorHandling
open Microsoft.FSharp.NativeInterop
open Microsoft.ML.OnnxRuntime
open TorchSharp

#nowarn "9" // addresses of the device's memory

/// ONNX Runtime replaying a batch as one CUDA graph: frames and answer lie at fixed places of the device's memory, and a batch costs one
/// launch and two copies.
[<RequireQualifiedAccess>]
module internal CudaGraphContender =
    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private Copy =
        delegate of target: nativeint * source: nativeint * bytes: unativeint * kind: int -> int

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private Wait = delegate of unit -> int

    /// cudaMemcpyHostToDevice and cudaMemcpyDeviceToHost
    let private toDevice, toHost = 1, 2

    /// Copies, in CUDA's own runtime, the one that ONNX Runtime has loaded.
    let private copying () =
        result {
            let! library = OnnxLibrary.examine ()

            let refused reason =
                McdrlError.resource
                    $"CUDA's runtime can't be asked: {reason}"
                    library.Folder
                    "Run `mcdrl doctor`"

            let! name =
                OnnxCuda.examine library
                |> OnnxCuda.runtimeName
                |> Result.requireSome (refused "the provider names none")

            let! handle = SharedLibrary.load name |> Result.mapError refused

            let bound name = NativeLibrary.GetExport(handle, name)

            let copy = Marshal.GetDelegateForFunctionPointer<Copy>(bound "cudaMemcpy")

            let wait =
                Marshal.GetDelegateForFunctionPointer<Wait>(bound "cudaDeviceSynchronize")

            return
                fun target source bytes kind ->
                    let code = copy.Invoke(target, source, unativeint (bytes: int64), kind)
                    let code = if code = 0 then wait.Invoke() else code

                    if code <> 0 then
                        raise (InvalidOperationException $"CUDA error {code} in a copy")
        }

    /// Options of a session whose batches are all of this size, so that nothing of the graph depends on it.
    let configure (batch: int) (options: SessionOptions) =
        options.AddFreeDimensionOverrideByName("batch", int64 batch)

    /// Options of the provider.
    let provider = [ "enable_cuda_graph", "1" ]

    let private addressOf (value: OrtValue) =
        let memory = value.GetTensorMutableRawData()
        use first = fixed &memory.GetPinnableReference()
        NativePtr.toNativeInt first

    /// Asks for the first of the graph's outputs. Frames [B, 3, S, S] as the graph takes them. It frees the session.
    let create (number: int) (session: InferenceSession) (frames: Tensor) : Result<Contender, McdrlError> =
        copying ()
        |> Result.map (fun copy ->
            let input = frames.contiguous().data<float32>().ToArray()
            let output = Seq.head session.OutputNames

            let answered =
                [|
                    for index, size in Seq.indexed session.OutputMetadata[output].Dimensions do
                        if index = 0 then frames.shape[0] else int64 size
                |]

            let answer = Array.zeroCreate<float32>(int (Array.reduce (*) answered))

            let memory =
                new OrtMemoryInfo("Cuda", OrtAllocatorType.DeviceAllocator, number, OrtMemType.Default)

            let allocator = new OrtAllocator(session, memory)

            let allocated shape =
                OrtValue.CreateAllocatedTensorValue(allocator, Tensors.TensorElementType.Float, shape)

            let image, probabilities = allocated frames.shape, allocated answered
            let binding = session.CreateIoBinding()
            binding.BindInput(OnnxContract.image, image)
            binding.BindOutput(output, probabilities)
            let options = new RunOptions()
            let imageAt, probabilitiesAt = addressOf image, addressOf probabilities

            let ask () =
                use source = fixed input
                use target = fixed answer
                copy imageAt (NativePtr.toNativeInt source) (4L * int64 input.Length) toDevice
                session.RunWithBinding(options, binding)
                copy (NativePtr.toNativeInt target) probabilitiesAt (4L * int64 answer.Length) toHost

            {
                Engine = BenchEngine.Onnxruntime
                Device = OnnxDevice.name (OnnxDevice.Cuda number)
                Precision = Precision.Fp32
                Run = ask
                Answer =
                    fun () ->
                        ask ()
                        Array.copy answer
                Free =
                    fun () ->
                        for held in
                            [
                                options :> IDisposable
                                binding
                                image
                                probabilities
                                allocator
                                memory
                                session
                            ] do
                            held.Dispose()
            })
