namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography
open System.Text

/// The sha256 that a file states of itself: that of its bytes with the digest's own 64 digits read as zeros. Whoever changes a
/// byte of the file, or of the digest, is noticed.
[<RequireQualifiedAccess>]
module SelfDigest =
    /// Hexadecimal digits of a digest.
    let length = 64

    /// What stands in the digest's place while it is computed.
    let blank = String('0', length)

    let private zeros = Encoding.ASCII.GetBytes blank

    /// Lower-case hexadecimal sha256 of what `write` writes, which has `blank` where the digest will stand.
    let ofWritten (write: Stream -> unit) : string =
        use hash = SHA256.Create()

        using (new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write)) (fun stream ->
            write stream
            stream.FlushFinalBlock())

        Convert.ToHexStringLower(nonNull hash.Hash)

    /// Where a text of ASCII last begins in the content, or −1.
    let find (text: string) (content: byte[]) =
        content.AsSpan().LastIndexOf(ReadOnlySpan(Encoding.ASCII.GetBytes text))

    /// Whether the 64 digits at this place of the content are its digest.
    let isAt (place: int) (content: byte[]) : bool =
        if place < 0 || place > content.Length - length then
            false
        else
            use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256
            hash.AppendData(ReadOnlySpan(content, 0, place))
            hash.AppendData(ReadOnlySpan zeros)
            hash.AppendData(ReadOnlySpan(content, place + length, content.Length - place - length))
            let digits = Convert.ToHexStringLower(hash.GetHashAndReset())
            Encoding.ASCII.GetString(content, place, length) = digits
