namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography

/// Reads another stream from its beginning and keeps the sha256 of all that was read, so that a file is read once for
/// both. The other stream stays the caller's.
type internal DigestStream(inner: Stream) =
    inherit Stream()
    let hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256

    /// What is hashed at once is still in the processor's cache.
    let largest = 1 <<< 18

    /// Lower-case hexadecimal sha256 of what was read so far.
    member _.Sha256 = Convert.ToHexStringLower(hash.GetCurrentHash())

    override _.Read(target: Span<byte>) =
        let part = target.Slice(0, min largest target.Length)
        let count = inner.Read part
        hash.AppendData(Span<byte>.op_Implicit(part.Slice(0, count)): ReadOnlySpan<byte>)
        count

    override this.Read(target: byte[], offset: int, count: int) = this.Read(Span(target, offset, count))

    override _.Length = inner.Length
    override _.CanRead = true
    override _.CanSeek = false
    override _.CanWrite = false

    override _.Position
        with get () = inner.Position
        and set _ = raise (NotSupportedException())

    override _.Seek(_, _) = raise (NotSupportedException())
    override _.SetLength _ = raise (NotSupportedException())

    override _.Write(_: byte[], _: int, _: int) : unit = raise (NotSupportedException())

    override _.Flush() = ()

    override _.Dispose(disposing: bool) =
        if disposing then
            hash.Dispose()

        base.Dispose disposing
