namespace Mcdrl

/// A stranger's text within Markdown: it is read as it is, and makes no heading, link, picture, table cell or element of HTML.
[<RequireQualifiedAccess>]
module Markdown =
    let private escaped at (letter: char) =
        match letter with
        | '<' -> "&lt;"
        | '>' -> "&gt;"
        | '&' -> "&amp;"
        | '\\'
        | '`'
        | '*'
        | '['
        | ']'
        | '|'
        | '#' -> $"\\{letter}"
        | '-'
        | '+'
        | '=' when at = 0 -> $"\\{letter}"
        | other -> string other

    /// The text on one line, see `Printable.line`, with whatever Markdown would take for its own escaped.
    let text (text: string) : string =
        Printable.line text |> Seq.mapi escaped |> String.concat ""
