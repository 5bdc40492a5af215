namespace Mcdrl

open System
open System.Runtime.InteropServices

/// The name under which glibc knows a loaded library (`struct link_map` of `<link.h>`).
///
/// TorchSharp's start loads `torch_cpu` by name from the application's folder, without a way to be told otherwise.
/// With another libtorch loaded already that would be a second one in the process, and libtorch aborts the process when
/// its operators are registered twice. The loader opens no file for a path that it knows as a library's name.
[<RequireQualifiedAccess>]
module internal LinkMap =
    [<DllImport("libc", EntryPoint = "dlinfo")>]
    extern int private linkInfo(nativeint handle, int request, nativeint& answer)

    /// RTLD_DI_LINKMAP: the answer is the address of the library's `struct link_map`.
    let private linkMap = 2

    /// `l_name` follows `l_addr`.
    let private nameOffset = 8

    /// Runs `work` while the library `handle` goes by the name `path`.
    let under (path: string) (handle: nativeint) (work: unit -> 'a) : Result<'a, string> =
        let mutable map = 0n

        if linkInfo (handle, linkMap, &map) <> 0 || map = 0n then
            Error "the loader does not say where it keeps the library"
        else
            let own = Marshal.ReadIntPtr(map, nameOffset)
            let name = Marshal.StringToCoTaskMemUTF8 path

            try
                Marshal.WriteIntPtr(map, nameOffset, name)
                Ok(work ())
            finally
                Marshal.WriteIntPtr(map, nameOffset, own)
                Marshal.FreeCoTaskMem name
