namespace Mcdrl

open System
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling

/// What marks an image in the files of an annotation tool.
[<RequireQualifiedAccess>]
type internal Annotation =
    /// Shapes, and the size in pixels of the picture that they were drawn on, where the tool says it.
    | Shapes of size: (int * int) option * shapes: Shape list
    /// A PNG in which each colour, red, green and blue, means a label as the tool calls it; `None` for background.
    | Coloured of path: string * meanings: ((byte * byte * byte) * string option) list
    /// Masks of one label each, brighter than half where it is marked.
    | Layers of (string * string) list

/// An image and its marks.
type internal AnnotatedImage =
    {
        /// The picture's path, relative to the folder that it was found in, with slashes.
        Name: string
        /// Its file.
        Image: string
        Annotation: Annotation
        /// What was marked and can't be drawn. An image without all its marks would be a wrong example: it is left out.
        Unclear: ImportFault list
    }

/// What the files of an annotation tool hold.
type internal AnnotationSet =
    {
        Annotated: AnnotatedImage list
        Faults: ImportFault list
    }

/// Finds the picture files that annotation tools name, by whatever of a path they name them.
type internal PictureFinder(folders: string list, isPicture: string -> bool) =
    let slashed (path: string) = path.Replace('\\', '/')

    let pictures =
        folders
        |> List.collect (fun folder ->
            ImportPictures.below folder
            |> Result.defaultValue []
            |> List.filter isPicture
            |> List.map (fun name -> name, Path.GetFullPath(Path.Combine(folder, name))))
        |> List.distinctBy snd

    let lastOf (path: string) =
        path.Substring(path.LastIndexOf '/' + 1)

    let byName = pictures |> List.groupBy (fst >> lastOf) |> readOnlyDict

    let withoutEnding (name: string) =
        name.Substring(0, name.Length - (nonNull (Path.GetExtension name)).Length)

    let byStem =
        pictures |> List.groupBy (fst >> lastOf >> withoutEnding) |> readOnlyDict

    /// What Label Studio puts before the name of an uploaded file.
    let upload = Regex("^[0-9a-f]{8}-", RegexOptions.CultureInvariant)

    let among (index: Collections.Generic.IReadOnlyDictionary<string, (string * string) list>) name =
        match index.TryGetValue name with
        | true, found -> found
        | false, _ -> []

    /// The best of several: the one whose path ends as the given one does for longest, if no other does as long.
    let choose (path: string) (found: (string * string) list) =
        let parts (path: string) =
            path.Split '/' |> Array.rev |> Array.skip 1 |> List.ofArray

        let wanted = parts path

        let shared (name: string) =
            Seq.zip wanted (parts name) |> Seq.takeWhile (fun (a, b) -> a = b) |> Seq.length

        match found |> List.groupBy (fst >> shared) |> List.sortByDescending fst with
        | (_, [ single ]) :: _ -> Ok single
        | (_, (first :: second :: _)) :: _ ->
            Error $"it may be {fst first} or {fst second}; give a folder with one of them"
        | _ -> Error "the picture is not in the folder"

    /// All pictures: paths relative to their folders, and the files.
    member _.All = pictures

    /// The picture that a tool calls by this path or name: name in its folder, and file. Otherwise why there is none.
    member _.Find(path: string) : Result<string * string, string> =
        let path = slashed path
        let name = lastOf path

        match among byName name with
        | [] -> among byName (upload.Replace(name, "")) |> choose path
        | found -> choose path found

    /// `Find` for a path without the ending.
    member _.FindStem(path: string) : Result<string * string, string> =
        let path = slashed path
        among byStem (lastOf path) |> choose path

/// What readers of annotations share.
[<RequireQualifiedAccess>]
module internal Annotations =
    /// For files of annotations, which hold a number for each corner.
    let bounds =
        { StrangerJson.standard with
            MostBytes = 256L * 1024L * 1024L
            MostTokens = 40_000_000
        }

    /// A file that can't be read.
    let refuse path what =
        McdrlError.data $"this can't be read: {what}" path "Export it again"

    /// What `read` makes of each, if it makes something of all.
    let each (read: 'a -> 'b option) (items: 'a list) : 'b list option =
        let found = items |> List.choose read
        if found.Length = items.Length then Some found else None

    /// A fault of a file.
    let fault kind where detail : ImportFault =
        {
            Kind = kind
            Where = where
            Detail = detail
        }

    /// Files of this ending below a folder, sorted.
    let files (ending: string) (folder: string) : Result<string list, McdrlError> =
        let options =
            EnumerationOptions(
                RecurseSubdirectories = true,
                MaxRecursionDepth = 8,
                IgnoreInaccessible = false
            )

        Files.attempt folder (fun () ->
            Directory.EnumerateFiles(folder, "*" + ending, options)
            |> Seq.filter (fun path ->
                let below = Path.GetRelativePath(folder, path)

                not (Leftovers.isPath below)
                && not (below.Split '/' |> Array.exists _.StartsWith('.')))
            |> Seq.sort
            |> List.ofSeq)

    /// The folder's sets as one; `nothing` says what should be there.
    let joined folder (nothing: string) (sets: AnnotationSet list) : Result<AnnotationSet, McdrlError> =
        match sets with
        | [] ->
            Error(
                McdrlError.data
                    $"there is {nothing} in the folder"
                    folder
                    "Give the folder of the export, unpacked"
            )
        | sets ->
            Ok
                {
                    Annotated = sets |> List.collect _.Annotated
                    Faults = sets |> List.collect _.Faults
                }

    /// The sets that `readRoot` makes of JSON files; what else is JSON there, of which it makes none, is passed over.
    let ofJson
        folder
        (nothing: string)
        (readRoot: string -> JsonElement -> Result<AnnotationSet option, McdrlError>)
        (files: string list)
        : Result<AnnotationSet, McdrlError> =
        files
        |> List.traverseResultM (fun file -> StrangerJson.ofFile bounds (refuse file) file (readRoot file))
        |> Result.bind (List.choose id >> joined folder nothing)
