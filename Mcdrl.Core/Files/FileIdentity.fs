namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open Microsoft.Win32.SafeHandles

/// What lies at a path.
[<RequireQualifiedAccess>]
type FileKind =
    /// Bytes with an end.
    | PlainFile
    /// A directory.
    | Folder
    /// A named or unnamed pipe.
    | Pipe
    /// A socket.
    | Socket
    /// A terminal, disk, `/dev/null` or the like.
    | Device

/// Which file this is, by whatever name and through whatever links or bind mounts it was reached.
type FileIdentity =
    {
        /// What it is.
        Kind: FileKind
        /// The file system that holds it.
        Device: uint64
        /// Its number there.
        Inode: uint64
        /// Bytes of a plain file.
        Size: int64
    }

/// Which file a path or an open handle is, and whether two paths are one.
[<RequireQualifiedAccess>]
module FileIdentity =
    [<DllImport("libc", EntryPoint = "statx", SetLastError = true)>]
    extern int private statx(int directory, string path, int flags, uint32 mask, byte[] into)

    /// AT_FDCWD, AT_EMPTY_PATH, and STATX_TYPE | STATX_INO | STATX_SIZE, the same on every processor.
    let private here, private emptyPath, private wanted = -100, 0x1000, 0x301u

    /// Of `struct statx`, whose layout is the same on every processor.
    let private identity (read: byte[]) =
        let kind =
            match int (BitConverter.ToUInt16(read, 28)) &&& 0xF000 with
            | 0x8000 -> FileKind.PlainFile
            | 0x4000 -> FileKind.Folder
            | 0x1000 -> FileKind.Pipe
            | 0xC000 -> FileKind.Socket
            | _ -> FileKind.Device

        {
            Kind = kind
            Device =
                (uint64 (BitConverter.ToUInt32(read, 136)) <<< 32)
                ||| uint64 (BitConverter.ToUInt32(read, 140))
            Inode = BitConverter.ToUInt64(read, 32)
            Size = int64 (BitConverter.ToUInt64(read, 40))
        }

    let private ask directory path flags =
        let read = Array.zeroCreate<byte> 256

        if statx (directory, path, flags, wanted, read) = 0 then
            Some(identity read)
        else
            None

    /// What .NET knows where there is no `statx`: kind and size, with the hash of the full path for a number.
    let private portable (path: string) =
        let identity kind size =
            Some
                {
                    Kind = kind
                    Device = 0UL
                    Inode = uint64 (StringComparer.Ordinal.GetHashCode(Path.GetFullPath path))
                    Size = size
                }

        if File.Exists path then
            identity FileKind.PlainFile (FileInfo path).Length
        elif Directory.Exists path then
            identity FileKind.Folder 0L
        else
            None

    /// What lies at a path, links followed; `None` where nothing does, or nothing that may be asked for.
    let ofPath (path: string) : FileIdentity option =
        if path = "" || path.Contains '\000' then None
        elif OperatingSystem.IsLinux() then ask here path 0
        else portable path

    /// Which file a handle has open.
    let ofHandle (handle: SafeFileHandle) : FileIdentity option =
        if OperatingSystem.IsLinux() then
            ask (int (handle.DangerousGetHandle())) "" emptyPath
        else
            Some
                {
                    Kind = FileKind.PlainFile
                    Device = 0UL
                    Inode = 0UL
                    Size = RandomAccess.GetLength handle
                }

    /// Whether both paths exist and lead to one file or folder: through links and bind mounts too.
    let isSame (left: string) (right: string) =
        match ofPath left, ofPath right with
        | Some left, Some right -> left.Device = right.Device && left.Inode = right.Inode
        | _ -> false

    /// The path with every symbolic link on the way replaced by what it points to; parts that don't exist stay as they are.
    /// `None` for a loop.
    let realPath (path: string) : string option =
        let rec resolve links (walked: string) (parts: string list) =
            match parts with
            | [] -> Some walked
            | _ when links > 40 -> None
            | part :: rest ->
                let here = Path.Combine(walked, part)

                match FileInfo(here).LinkTarget with
                | null -> resolve links here rest
                | target -> split (links + 1) (Path.GetFullPath(target, walked)) rest

        and split links (full: string) rest =
            let root = Path.GetPathRoot full |> Option.ofObj |> Option.defaultValue "/"

            let parts =
                full
                    .Substring(root.Length)
                    .Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries)

            resolve links root (List.ofArray parts @ rest)

        split 0 (Path.GetFullPath path) []

    /// A kind in words, as in "this is a pipe".
    let describe kind =
        match kind with
        | FileKind.PlainFile -> "a file"
        | FileKind.Folder -> "a folder"
        | FileKind.Pipe -> "a pipe"
        | FileKind.Socket -> "a socket"
        | FileKind.Device -> "a device"
