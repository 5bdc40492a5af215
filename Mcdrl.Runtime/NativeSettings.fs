namespace Mcdrl

open System
open System.Runtime.InteropServices

/// What the C library and OpenMP are told before libtorch loads. Whatever the user has set in the environment stays.
[<RequireQualifiedAccess>]
module NativeSettings =
    [<DllImport("libc")>]
    extern int private mallopt(int parameter, int value)

    [<DllImport("libc")>]
    extern int private setenv(string name, string value, int overwrite)

    let private trimThreshold, private mmapThreshold = -1, -3

    let private mebibytes count = count <<< 20

    let private isSet (variable: string) =
        not (String.IsNullOrEmpty(Environment.GetEnvironmentVariable variable))

    /// Blocks of up to 128 MiB come from the heap, and 256 MiB of it are kept: without this a feature map is mapped anew
    /// at every layer, and its first touch costs as much as computing it.
    let private keepFreedMemory () =
        if not (isSet "MALLOC_MMAP_THRESHOLD_" || isSet "MALLOC_TRIM_THRESHOLD_") then
            mallopt (mmapThreshold, mebibytes 128) |> ignore
            mallopt (trimThreshold, mebibytes 256) |> ignore

    /// Threads that wait for one another sleep. Spinning, they take the processor from whoever they wait for as soon as
    /// anything else runs on the machine: ten times slower for a small model, and hardly faster on an idle one.
    let private sleepWhileWaiting () =
        if not (isSet "GOMP_SPINCOUNT") then
            setenv ("OMP_WAIT_POLICY", "passive", 0) |> ignore

    let apply () =
        keepFreedMemory ()
        sleepWhileWaiting ()
