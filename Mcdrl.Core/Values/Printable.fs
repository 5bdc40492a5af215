namespace Mcdrl

open System
open System.Globalization
open System.Text

/// A stranger's text (names of files, sites and classes, what another library says), made fit to be shown: on a terminal it
/// can neither move the cursor nor turn the reading direction nor begin a line of its own.
[<RequireQualifiedAccess>]
module Printable =
    /// Zero-width joiner and non-joiner: emoji and several scripts are spelt with them.
    let private isJoiner (code: int) = code = 0x200C || code = 0x200D

    let private isHidden kept (rune: Rune) =
        match Rune.GetUnicodeCategory rune with
        | UnicodeCategory.Control -> not (String.exists (fun keeps -> int keeps = rune.Value) kept)
        | UnicodeCategory.Format -> not (isJoiner rune.Value)
        | UnicodeCategory.LineSeparator
        | UnicodeCategory.ParagraphSeparator -> true
        | _ -> false

    let private shown kept (text: string) =
        let result = StringBuilder text.Length

        let rec go at =
            if at < text.Length then
                match Rune.TryGetRuneAt(text, at) with
                | true, rune when not (isHidden kept rune) ->
                    result.Append(text, at, rune.Utf16SequenceLength) |> ignore
                    go (at + rune.Utf16SequenceLength)
                | true, rune when rune.Value > 0xFFFF ->
                    result.Append($"\\U{rune.Value:x8}") |> ignore
                    go (at + 2)
                | _ ->
                    result.Append($"\\u{int text[at]:x4}") |> ignore
                    go (at + 1)

        go 0
        result.ToString()

    /// The text on one line: control characters, line ends, what turns the reading direction or can't be seen, and halves of
    /// surrogate pairs as `\u001b` and the like. All other text, whatever its script, stays as it is.
    let line (text: string) = shown "" text

    /// `line` for text that may have several lines and tabs of its own.
    let text (text: string) = shown "\n\t" text
