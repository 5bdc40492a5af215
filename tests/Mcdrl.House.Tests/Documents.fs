namespace Mcdrl.Tests

open System
open System.IO
open System.Text.RegularExpressions
open System.Xml.Linq

/// What the pages say about the repository, as far as it can be checked.
[<RequireQualifiedAccess>]
module Documents =
    let private link = Regex @"(?:\[(?<text>[^\]]*)\])\((?<target>[^)\s]+)\)"

    /// A path with a slash, or a source file on top; no pattern.
    let private place =
        Regex @"(?<![\w/])(?>Mcdrl[\w.]*(?:/[\w.-]+)+|Mcdrl\.[\w.]*\.fs\b)(?!\*)"

    /// Relative links of a Markdown page and where each leads, from the repository on; the text and the target.
    let links (path: string) (page: string) : (string * string) list =
        let folder = Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""

        [
            for found in link.Matches page do
                let target = found.Groups["target"].Value

                if not (target.Contains "://" || target.StartsWith '#') then
                    let file = target.Split('#')[0]
                    found.Groups["text"].Value, Path.GetRelativePath("/", Path.Combine("/", folder, file))
        ]

    /// The anchors that a Markdown page's headings make, as GitHub spells them.
    let anchors (page: string) : Set<string> =
        Set
            [
                for heading in Regex.Matches(page, @"^#+ (.+)$", RegexOptions.Multiline) do
                    Regex
                        .Replace(heading.Groups[1].Value.ToLowerInvariant(), @"[^\w\- ]", "")
                        .Replace(' ', '-')
            ]

    let private anchorsMissed (read: string -> string option) (path: string) (page: string) =
        let folder = Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""

        [
            for found in link.Matches page do
                match found.Groups["target"].Value.Split '#' with
                | [| file; anchor |] when not (file.Contains "://") ->
                    let target =
                        if file = "" then
                            path
                        else
                            Path.GetRelativePath("/", Path.Combine("/", folder, file))

                    let text = if file = "" then Some page else read target

                    match text with
                    | Some text when target.EndsWith ".md" && not (Set.contains anchor (anchors text)) ->
                        $"{path}: there is no heading #{anchor} in {target}"
                    | _ -> ()
                | _ -> ()
        ]

    /// Files and folders of the projects that a page names by their path from the repository on.
    let places (page: string) : string list =
        place.Matches page |> Seq.map _.Value.TrimEnd('.') |> Seq.distinct |> List.ofSeq

    let private declares (name: string) (code: string) =
        let keywords =
            @"(?:let|and|member|val|type|module|static member|abstract)\s+(?:(?:inline|rec|private|internal|public)\s+)*(?:\w+\.)*"

        Regex.IsMatch(code, $@"\b{keywords}{Regex.Escape name}\b")

    /// Links, anchors and paths that lead nowhere, and functions that are not in the file that a link says they are in. `read` gives
    /// a file's text, if there is such a file or folder.
    let complaints (read: string -> string option) (path: string) (page: string) : string list =
        [
            for text, target in links path page do
                match read target, text.Trim '`' with
                | None, _ -> $"{path}: the link to {target} leads nowhere"
                | Some code, named when
                    text.StartsWith '`' && target.EndsWith ".fs" && not (named.EndsWith ".fs")
                    ->
                    for part in named.Split '.' do
                        if not (declares part code) then
                            $"{path}: {named} is not in {target}"
                | Some _, _ -> ()

            yield! anchorsMissed read path page

            for named in places page do
                if (read named).IsNone then
                    $"{path}: there is no {named}"
        ]
        |> List.distinct

    let private promise = Regex @"`(?<file>\w[\w.]*Tests)`:(?<names>(?:,? “[^”]+”)+)"

    let private quoted = Regex "“([^”]+)”"

    /// The tests that a page says hold its promises: file and name of each.
    let promises (page: string) : (string * string) list =
        [
            for found in promise.Matches page do
                for name in quoted.Matches found.Groups["names"].Value do
                    found.Groups["file"].Value, name.Groups[1].Value
        ]

    /// Those that are not there. `textOf` gives a test file's text by its name, if there is such a file.
    let unheld (textOf: string -> string option) (page: string) : string list =
        [
            for file, name in promises page do
                match textOf file with
                | None -> $"there is no {file}"
                | Some text when not (text.Contains name) -> $"{file} has no test “{name}”"
                | Some _ -> ()
        ]

    let private edge = Regex @"""([\w.]+)""\s*->\s*""([\w.]+)"""

    /// The arrows of a Graphviz file.
    let edgesOfDot (text: string) : Set<string * string> =
        edge.Matches text
        |> Seq.map (fun found -> found.Groups[1].Value, found.Groups[2].Value)
        |> Set

    /// The arrows of the picture that Graphviz made of one.
    let edgesOfSvg (text: string) : Set<string * string> =
        XDocument.Parse(text).Descendants()
        |> Seq.filter (fun element -> element.Name.LocalName = "title")
        |> Seq.choose (fun title ->
            match title.Value.Split "->" with
            | [| user; other |] -> Some(user, other)
            | _ -> None)
        |> Set
