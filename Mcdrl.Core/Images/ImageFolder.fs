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
        /// Names of the other files.
        Others: string list
        /// Names of the folders in it, unless they are searched too.
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

    /// The files of the folder and of all below it; links are not followed.
    let readAll (folder: string) : Result<ImageFolderContents, McdrlError> =
        let options =
            EnumerationOptions(RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint)

        Files.attempt folder (fun () ->
            let images, others =
                Directory.EnumerateFiles(folder, "*", options)
                |> Seq.filter (fun path -> not (Leftovers.isPath (Path.GetRelativePath(folder, path))))
                |> List.ofSeq
                |> List.partition Images.isNamedAsImage

            contents folder images (others |> List.map (fun path -> Path.GetRelativePath(folder, path))) [])

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
