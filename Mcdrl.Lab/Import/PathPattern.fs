namespace Mcdrl

open System
open System.Text
open System.Text.RegularExpressions

/// Paths with named parts, as `data_C{site}/masks_C{site}/{name}_mask`: literal text, and `{part}` for any text
/// without a slash. A part named twice is the same text twice.
[<RequireQualifiedAccess>]
module internal PathPattern =
    let private parts = Regex(@"\{([a-z]+)\}", RegexOptions.CultureInvariant)

    /// A reader of paths: the parts of a path that fits, else `None`.
    let reader (pattern: string) : string -> Map<string, string> option =
        let expression = StringBuilder "^"
        let mutable named = Set.empty
        let mutable written = 0

        for part in parts.Matches pattern do
            let name = part.Groups[1].Value

            expression.Append(Regex.Escape(pattern.Substring(written, part.Index - written)))
            |> ignore

            if named.Contains name then
                expression.Append $"\\k<{name}>" |> ignore
            else
                expression.Append $"(?<{name}>[^/]+)" |> ignore

            named <- named.Add name
            written <- part.Index + part.Length

        expression.Append(Regex.Escape(pattern.Substring written)).Append @"\z"
        |> ignore

        let regex = Regex(string expression, RegexOptions.CultureInvariant)

        fun path ->
            let found = regex.Match path

            if found.Success then
                named
                |> Seq.map (fun name -> name, found.Groups[name].Value)
                |> Map.ofSeq
                |> Some
            else
                None

    /// The pattern with its parts put in; a part that is not known stays as it stands.
    let fill (known: Map<string, string>) (pattern: string) : string =
        parts.Replace(
            pattern,
            fun part -> known |> Map.tryFind part.Groups[1].Value |> Option.defaultValue part.Value
        )
