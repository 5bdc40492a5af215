namespace Mcdrl

open System
open System.Globalization

/// CSV (RFC 4180): fields between commas, lines ended by CR LF.
[<RequireQualifiedAccess>]
module Csv =
    /// What a spreadsheet takes for a formula, which may be any program to it.
    let private isFormula (text: string) =
        text <> ""
        && "=+-@\t\r".Contains text[0]
        && not (fst (Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture)))

    /// In quotes where a comma, a quote or a line end asks for them; a formula becomes text by an apostrophe.
    let private field (text: string) =
        let text = if isFormula text then "'" + text else text
        let text = Printable.text text

        if text.IndexOfAny [| ','; '"'; '\r'; '\n' |] >= 0 then
            "\"" + text.Replace("\"", "\"\"") + "\""
        else
            text

    /// A number with all its digits; empty where it is none.
    let number (value: float) : string =
        if Double.IsFinite value then
            value.ToString("R", CultureInfo.InvariantCulture)
        else
            ""

    /// Rows of fields as text. What a spreadsheet would take for a formula becomes text by an apostrophe before it.
    let lines (rows: string list list) : string =
        rows
        |> List.map (List.map field >> String.concat ",")
        |> List.map (fun line -> line + "\r\n")
        |> String.concat ""
