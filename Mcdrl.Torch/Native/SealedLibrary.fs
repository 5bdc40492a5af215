namespace Mcdrl

open System
open System.ComponentModel
open System.IO
open System.Runtime.InteropServices
open Microsoft.Win32.SafeHandles

/// Loads a shared library that was made in memory. It never has a name that others could put something else under: what the
/// loader opens is the descriptor that the bytes were written to, and from then on nobody can change them.
[<RequireQualifiedAccess>]
module internal SealedLibrary =
    [<DllImport("libc", SetLastError = true)>]
    extern int private memfd_create(string name, uint32 flags)

    [<DllImport("libc", SetLastError = true)>]
    extern int private fcntl(int descriptor, int command, int argument)

    /// MFD_CLOEXEC and MFD_ALLOW_SEALING; MFD_EXEC, which kernels before 6.3 don't know.
    let private plain, private executable = 0x3u, 0x10u

    let private addSeals = 1033

    /// F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE.
    let private allSeals = 0xF

    let private failed what =
        raise (IOException $"{what}: {Win32Exception(Marshal.GetLastPInvokeError()).Message}")

    let private write (descriptor: SafeFileHandle) (image: byte[]) =
        RandomAccess.Write(descriptor, ReadOnlySpan image, 0L)

    /// The image in a file without a name, in memory, sealed.
    let private inMemory (name: string) image =
        let number =
            match memfd_create (name, plain ||| executable) with
            | -1 -> memfd_create (name, plain)
            | number -> number

        if number < 0 then
            failed "no file in memory"

        let descriptor = new SafeFileHandle(nativeint number, true)

        try
            write descriptor image

            if fcntl (number, addSeals, allSeals) <> 0 then
                failed "the file in memory can't be sealed"

            descriptor
        with _ ->
            descriptor.Dispose()
            reraise ()

    /// Where the system gives no file in memory: one that only this user may open, new, and without a name as soon as it
    /// is there.
    let ofThisUserAlone (image: byte[]) : SafeFileHandle =
        let options =
            FileStreamOptions(
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead
            )

        let path = Path.Combine(Path.GetTempPath(), $".mcdrl-{Guid.NewGuid():N}.tmp")

        let file = new FileStream(path, options)

        try
            File.Delete path
            write file.SafeFileHandle image
            file.SafeFileHandle
        with _ ->
            file.Dispose()
            reraise ()

    /// The loader knows a library by the name it was opened by, so the descriptor, and with it the number in that name, stays
    /// taken for as long as the process lives.
    let private kept = Collections.Concurrent.ConcurrentBag<SafeFileHandle>()

    /// Hands the name of a file that holds exactly `image` to `load`. `Error` says why there can be none.
    let under (name: string) (image: byte[]) (load: string -> Result<'a, string>) : Result<'a, string> =
        let opened =
            try
                Ok(inMemory name image)
            with :? IOException as inMemory ->
                try
                    Ok(ofThisUserAlone image)
                with
                | :? IOException
                | :? UnauthorizedAccessException as problem -> Error $"{inMemory.Message}; {problem.Message}"

        opened
        |> Result.bind (fun descriptor ->
            kept.Add descriptor
            load $"/proc/self/fd/{descriptor.DangerousGetHandle()}")
