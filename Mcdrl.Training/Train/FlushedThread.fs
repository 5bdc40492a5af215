namespace Mcdrl

open System
open System.Runtime.ExceptionServices
open System.Runtime.InteropServices
open System.Threading

/// Threads on which the processor takes numbers below 1.2e-38 for zero. Saturated activations make gradients as small as
/// that, and a convolution's backward pass in which one number in a hundred is takes fifteen times as long.
[<RequireQualifiedAccess>]
module FlushedThread =
    /// at::Context::setFlushDenormal, of the calling thread: `torch.set_flush_denormal`, which TorchSharp lacks.
    [<DllImport("libtorch_cpu.so", EntryPoint = "_ZN2at7Context16setFlushDenormalEb")>]
    extern bool private setFlushDenormal([<MarshalAs(UnmanagedType.U1)>] bool flush)

    let private stackBytes = 16 <<< 20

    /// A new thread that will run `work`, once libtorch is loaded.
    let make (work: unit -> unit) =
        Thread(
            (fun () ->
                setFlushDenormal true |> ignore
                work ()),
            stackBytes,
            IsBackground = true
        )

    /// Runs `work` on a thread of its own and waits for it. OpenMP's threads take after the one that makes them, so none of
    /// an older thread's would do: some would flush and some would not, and answers depend on who computes what.
    let run (work: unit -> 'a) : 'a =
        let mutable outcome: Result<'a, exn> voption = ValueNone

        let thread =
            make (fun () ->
                outcome <-
                    try
                        ValueSome(Ok(work ()))
                    with problem ->
                        ValueSome(Error problem))

        thread.Start()
        thread.Join()

        match outcome with
        | ValueSome(Ok result) -> result
        | ValueSome(Error problem) ->
            ExceptionDispatchInfo.Throw problem
            raise problem
        | ValueNone -> raise (InvalidOperationException "the thread ended without a result")
