namespace Mcdrl

open System
open System.Runtime.InteropServices

/// What the C library and OpenMP are told before libtorch loads. Whatever the user has set in the environment stays.
[<RequireQualifiedAccess>]
module internal NativeSettings =
    [<DllImport("libc")>]
    extern int private mallopt(int parameter, int value)

    [<DllImport("libc")>]
    extern int private setenv(string name, string value, int overwrite)

    let private trimThreshold, private mmapThreshold = -1, -3

    let private mebibytes count = count <<< 20

    let private isSet (variable: string) =
        not (String.IsNullOrEmpty(Environment.GetEnvironmentVariable variable))

    let private isLeftToUs =
        lazy (not (isSet "MALLOC_MMAP_THRESHOLD_" || isSet "MALLOC_TRIM_THRESHOLD_"))

    /// Blocks from this size on are mapped: given back at once when freed, new at every allocation.
    let private mapFrom bytes =
        if isLeftToUs.Force() then
            mallopt (mmapThreshold, bytes) |> ignore

    /// Blocks of up to 128 MiB come from the heap, and 256 MiB of it are kept: without this a feature map is mapped anew
    /// at every layer, and its first touch costs as much as computing it.
    let private keepFreedMemory () =
        if isLeftToUs.Force() then
            mallopt (trimThreshold, mebibytes 256) |> ignore

        mapFrom (mebibytes 128)

    /// Until it is disposed, blocks of a mebibyte and more are mapped: for weights, which live long, and whose packed
    /// forms are a little larger, so that none would fit where another was freed.
    let forWeights () : IDisposable =
        mapFrom (mebibytes 1)

        { new IDisposable with
            member _.Dispose() = mapFrom (mebibytes 128)
        }

    /// Threads that wait for one another sleep. Spinning, they take the processor from whoever they wait for as soon as
    /// anything else runs on the machine: ten times slower for a small model, and hardly faster on an idle one.
    let private sleepWhileWaiting () =
        if not (isSet "GOMP_SPINCOUNT") then
            setenv ("OMP_WAIT_POLICY", "passive", 0) |> ignore

    /// To be called once, before libtorch loads.
    let apply () =
        keepFreedMemory ()
        sleepWhileWaiting ()
