namespace Mcdrl

open System
open System.Globalization
open System.Security.Cryptography
open System.Text

/// File names made of a stranger's text: a site, a class, a method, a dataset.
[<RequireQualifiedAccess>]
module FileName =
    /// Bytes of UTF-8 that leave room for endings below the 255 of common file systems.
    let private longest = 120

    /// What some file system or shell reads as more than a letter, and the mark of our own escapes.
    let private special = "%/\\:*?\"<>|~"

    let private isPlain (rune: Rune) =
        match Rune.GetUnicodeCategory rune with
        | UnicodeCategory.Control
        | UnicodeCategory.Format
        | UnicodeCategory.LineSeparator
        | UnicodeCategory.ParagraphSeparator
        | UnicodeCategory.Surrogate
        | UnicodeCategory.PrivateUse
        | UnicodeCategory.OtherNotAssigned -> false
        | _ -> not (String.exists (fun one -> int one = rune.Value) special)

    let private escapedRune (rune: Rune) =
        let bytes = Array.zeroCreate<byte> 4
        let count = rune.EncodeToUtf8(Span bytes)

        bytes
        |> Array.take count
        |> Array.map (fun one -> $"%%{one:X2}")
        |> String.concat ""

    /// At the ends of a name a dot hides it or is lost, a dash makes an option of it, and a space is not seen.
    let private isPlainAt (text: string) at (rune: Rune) =
        isPlain rune
        && not (at = 0 && (rune.Value = int '.' || rune.Value = int '-' || rune.Value = int ' '))
        && not (at = text.Length - 1 && (rune.Value = int '.' || rune.Value = int ' '))

    let private escaped (text: string) =
        let result = StringBuilder text.Length

        let rec go at =
            if at < text.Length then
                match Rune.TryGetRuneAt(text, at) with
                | true, rune ->
                    if isPlainAt text at rune then
                        result.Append(text, at, rune.Utf16SequenceLength) |> ignore
                    else
                        result.Append(escapedRune rune) |> ignore

                    go (at + rune.Utf16SequenceLength)
                | false, _ ->
                    result.Append($"%%u{int text[at]:X4}") |> ignore
                    go (at + 1)

        go 0
        result.ToString()

    /// The longest beginning of whole characters with at most so many bytes of UTF-8.
    let private beginning most (name: string) =
        let mutable bytes, at = 0, 0

        while at < name.Length
              && bytes + (Rune.GetRuneAt(name, at)).Utf8SequenceLength <= most do
            let rune = Rune.GetRuneAt(name, at)
            bytes <- bytes + rune.Utf8SequenceLength
            at <- at + rune.Utf16SequenceLength

        name.Substring(0, at)

    /// One part of a path: never empty, a dot or two, hidden, with a separator, or longer than 120 bytes of UTF-8. Letters, digits
    /// and most signs of any script stay as they are, the rest is written as in an address (`%2F`); different texts
    /// have different names. Of a longer one the beginning is kept, with a sha256 of the whole.
    let ofText (text: string) =
        let name = if text = "" then "%" else escaped text

        if Encoding.UTF8.GetByteCount name <= longest then
            name
        else
            let digest =
                SHA256.HashData(Encoding.UTF8.GetBytes name) |> Convert.ToHexStringLower

            $"{beginning (longest - 34) name}%%-{digest.Substring(0, 32)}"
