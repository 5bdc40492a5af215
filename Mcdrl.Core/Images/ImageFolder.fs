namespace Mcdrl

open System
open System.IO

/// What a folder holds, to who wants its images. What operating systems leave there is in none of the lists.
type ImageFolderContents =
    {
        /// The folder.
        Folder: string
        /// Paths of the files that are named as images, sorted.
        Images: string list
        /// Names of the other files, with the path below the folder.
        Others: string list
        /// Names of folders in it that are not searched, with the path below the folder.
        Below: string list
    }

/// Finds images by their names, and tells what is left out.
[<RequireQualifiedAccess>]
module ImageFolder =
    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    let private contents folder (images: string seq) others below =
        let sorted (names: string seq) =
            names |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b)) |> List.ofSeq

        {
            Folder = folder
            Images = sorted images
            Others = sorted others
            Below = sorted below
        }

    /// The folder's own files and folders that fit a pattern, `*` for all; folders in it are not searched.
    let read (pattern: string) (folder: string) : Result<ImageFolderContents, McdrlError> =
        Files.attempt folder (fun () ->
            let folders, files =
                Directory.EnumerateFileSystemEntries(folder, pattern)
                |> Seq.filter (nameOf >> Leftovers.isName >> not)
                |> List.ofSeq
                |> List.partition Directory.Exists

            let images, others = files |> List.partition Images.isNamedAsImage
            contents folder images (List.map nameOf others) (List.map nameOf folders))

    let private isWild (part: string) = part.IndexOfAny [| '*'; '?' |] >= 0

    /// Folders in a folder whose names fit a pattern; those that operating systems leave and, of `**`, links are not among them.
    let private foldersIn (pattern: string) (skipped: FileAttributes) (folder: string) =
        let options =
            EnumerationOptions(
                AttributesToSkip = skipped,
                MatchType = MatchType.Simple,
                IgnoreInaccessible = false
            )

        Directory.EnumerateDirectories(folder, pattern, options)
        |> Seq.filter (nameOf >> Leftovers.isName >> not)
        |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b))
        |> List.ofSeq

    let rec private below (isLeftOut: string -> bool) folder : string list =
        folder
        :: (foldersIn "*" FileAttributes.ReparsePoint folder
            |> List.filter (isLeftOut >> not)
            |> List.collect (below isLeftOut))

    /// The folders that a folder and the parts of a pattern below it stand for.
    let rec private folders isLeftOut parts folder : string list =
        match parts with
        | [] -> [ folder ]
        | "**" :: rest -> below isLeftOut folder |> List.collect (folders isLeftOut rest)
        | part :: rest when isWild part ->
            foldersIn part FileAttributes.None folder
            |> List.filter (isLeftOut >> not)
            |> List.collect (folders isLeftOut rest)
        | part :: rest ->
            let next = Path.Combine(folder, part)

            if Directory.Exists next then
                folders isLeftOut rest next
            else
                []

    /// The folder that a pattern begins in, as far as it names one, and its other parts.
    let private split (pattern: string) =
        let parts = pattern.Split '/' |> List.ofArray
        let fixedParts = parts |> List.takeWhile (isWild >> not)

        let folder =
            match String.concat "/" fixedParts with
            | "" when fixedParts.IsEmpty -> "."
            | "" -> "/"
            | folder -> folder

        folder, List.skip fixedParts.Length parts

    /// Whether a path is a pattern: `*` and `?` stand for letters of a name, a part `**` for any number of folders.
    let isPattern (path: string) = isWild path

    /// The folder that a pattern begins in.
    let patternFolder (pattern: string) = fst (split pattern)

    /// What folders below a root hold that fits a pattern of names.
    let private gathered root (pattern: string) (findFolders: unit -> string list) =
        let within folder name =
            Path.GetRelativePath(root, Path.Combine(folder, name))

        Files.attempt root (findFolders >> List.distinct)
        |> Result.bind (fun folders ->
            let searched = folders |> List.map Path.GetFullPath |> Set

            let isSearched folder =
                searched.Contains(Path.GetFullPath(Path.Combine(root, folder)))

            folders
            |> List.map (fun folder -> read pattern folder |> Result.map (fun held -> folder, held))
            |> Array.ofList
            |> McdrlError.complete
            |> Result.map (fun found ->
                let all pick =
                    found
                    |> List.collect (fun (folder, held) -> pick held |> List.map (within folder))

                contents
                    root
                    (found |> List.collect (fun (_, held) -> held.Images))
                    (all _.Others)
                    (all _.Below |> List.filter (isSearched >> not))))

    /// All files that fit a pattern such as `site*/**/*.png`; `**` at its end is `**/*`. Folders for which `isLeftOut` holds are not searched,
    /// and `**` follows no link.
    let readPattern (isLeftOut: string -> bool) (pattern: string) : Result<ImageFolderContents, McdrlError> =
        let root, parts = split pattern

        let above, last =
            match List.rev parts with
            | "**" :: _ -> parts, "*"
            | last :: above -> List.rev above, last
            | [] -> [], "*"

        gathered root last (fun () -> folders isLeftOut above root)

    /// The files of the folder and of all below it but those for which `isLeftOut` holds; links are not followed.
    let readAllBut (isLeftOut: string -> bool) (folder: string) : Result<ImageFolderContents, McdrlError> =
        gathered folder "*" (fun () -> below isLeftOut folder)

    /// The files of the folder and of all below it; links are not followed.
    let readAll (folder: string) : Result<ImageFolderContents, McdrlError> =
        readAllBut (fun _ -> false) folder

    /// Names that are told; of more the number.
    let private most = 10

    let private listed (names: string list) =
        let shown = names |> List.truncate most |> String.concat ", "

        if names.Length > most then
            $"{shown} and {names.Length - most} more"
        else
            shown

    /// One line about what is not read, where there is something.
    let leftOut (found: ImageFolderContents) : string option =
        let parts =
            [
                if not found.Others.IsEmpty then
                    $"{found.Others.Length} left out, not {Images.formats} by name: {listed found.Others}"
                if not found.Below.IsEmpty then
                    $"folders in it are not searched: {listed found.Below}"
            ]

        if parts.IsEmpty then
            None
        else
            let said = String.concat "; " parts
            Some $"{found.Folder}: {said}"
