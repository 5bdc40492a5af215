namespace Mcdrl.Cli

open System

/// A command line as it can be typed again.
[<RequireQualifiedAccess>]
module ShellWord =
    let private isPlain letter =
        Char.IsAsciiLetterOrDigit letter || "-_./:=,+@%".Contains(letter: char)

    /// A word as a shell takes it: as it is, or in single quotes.
    let quoted (word: string) : string =
        if word <> "" && Seq.forall isPlain word then
            word
        else
            let inside = word.Replace("'", "'\\''")
            $"'{inside}'"
