namespace Mcdrl

open System
open System.Collections.Generic
open System.IO

/// A frame and its mask. Both files exist and lie inside the dataset's folder; their content is not checked.
type DatasetItem =
    {
        /// The site's name.
        Site: string
        /// The name that frame and mask share; in a nested site with the folders before it, `patient1/0001`.
        Stem: string
        /// Absolute path of the frame.
        Image: string
        /// Absolute path of the mask.
        Mask: string
    }

/// Finds the frames of a site and the mask of each, by name, without ever leaving the dataset's folder.
[<RequireQualifiedAccess>]
module DatasetPairs =
    /// Names cut into runs of digits and of anything else: `frame10` is `frame`, `10`.
    let private runs (name: string) =
        let mutable start = 0

        [
            for i in 1 .. name.Length do
                if i = name.Length || Char.IsAsciiDigit name[i] <> Char.IsAsciiDigit name[i - 1] then
                    yield name.Substring(start, i - start)
                    start <- i
        ]

    /// Natural order, the same in every culture: numbers by value (`frame2` before `frame10`), the rest by
    /// character code, and equal names by their exact text.
    let compareNames (left: string) (right: string) =
        let compareRuns (a: string) (b: string) =
            if Char.IsAsciiDigit a[0] && Char.IsAsciiDigit b[0] then
                let a, b = a.TrimStart '0', b.TrimStart '0'

                match compare a.Length b.Length with
                | 0 -> String.CompareOrdinal(a, b)
                | longer -> longer
            else
                String.CompareOrdinal(a, b)

        let rec next a b =
            match a, b with
            | [], [] -> String.CompareOrdinal(left, right)
            | [], _ -> -1
            | _, [] -> 1
            | a :: restA, b :: restB ->
                match compareRuns a b with
                | 0 -> next restA restB
                | order -> order

        next (runs left) (runs right)

    /// The real path of `relative` under `root` (itself a real path), if it lies there.
    let private inside (root: string) (relative: string) =
        let outside what =
            Error(
                McdrlError.data
                    what
                    (Path.Combine(root, relative))
                    "A dataset may only name files inside its own folder"
            )

        if relative = "" || relative.Contains '\000' || Path.IsPathRooted relative then
            outside "this is not a path relative to the dataset"
        else
            match FileIdentity.realPath (Path.Combine(root, relative)) with
            | None -> outside "the path is a loop of symbolic links"
            | Some real when
                real = root
                || real.StartsWith(
                    root.TrimEnd Path.DirectorySeparatorChar + string Path.DirectorySeparatorChar,
                    StringComparison.Ordinal
                )
                ->
                Ok real
            | Some real -> outside $"the path leads out of the dataset, to {real}"

    /// The dataset's folder as a real path: `path` is the folder or the `dataset.json` in it.
    let root (path: string) : Result<string, McdrlError> =
        let folder =
            if File.Exists path then
                Path.GetDirectoryName(Path.GetFullPath path)
                |> Option.ofObj
                |> Option.defaultValue path
            else
                path

        match FileIdentity.realPath folder with
        | _ when File.Exists path && Path.GetFileName path <> "dataset.json" ->
            Error(
                McdrlError.data
                    "this is neither a dataset's folder nor its dataset.json"
                    path
                    "Name one of them"
            )
        | Some real when Directory.Exists real -> Ok real
        | _ -> Error(McdrlError.data "the dataset's folder does not exist" path "Check the path")

    /// Text files that may lie beside frames without being frames.
    let private sidecars =
        set
            [
                ".txt"
                ".json"
                ".csv"
                ".md"
                ".xml"
                ".html"
                ".db"
                ".ini"
                ".yml"
                ".yaml"
            ]

    let private stem (file: string) =
        Path.GetFileNameWithoutExtension file |> Option.ofObj |> Option.defaultValue ""

    let private fileName (file: string) =
        Path.GetFileName file |> Option.ofObj |> Option.defaultValue ""

    let private maskSuffix = "_mask"

    /// A name without the `_mask` at its end.
    let private frameOf (name: string) =
        if
            name.EndsWith(maskSuffix, StringComparison.Ordinal)
            && name.Length > maskSuffix.Length
            && name[name.Length - maskSuffix.Length - 1] <> '/'
        then
            name.Substring(0, name.Length - maskSuffix.Length)
        else
            name

    /// Folders within each other that a nested site is searched in.
    let private deepest = 8

    /// What lies in a folder and, if `nested`, in those below it that are no links, hidden or left over.
    let rec private entries nested depth (folder: string) : string seq =
        seq {
            for entry in Directory.EnumerateFileSystemEntries folder do
                let name = fileName entry

                if not (Directory.Exists entry) then
                    entry
                elif
                    nested
                    && depth < deepest
                    && not (name.StartsWith '.')
                    && not (Leftovers.isName name)
                    && File.GetAttributes entry &&& FileAttributes.ReparsePoint = FileAttributes.None
                then
                    yield! entries nested (depth + 1) entry
        }

    /// The files of a folder that belong to a site, with real paths, and the faults met.
    let private list root nested folder (prefix: string) =
        match inside root folder with
        | Error fault -> [], [ fault ]
        | Ok real when not (Directory.Exists real) ->
            [],
            [
                McdrlError.data "the folder does not exist" real "Correct the site in dataset.json"
            ]
        | Ok real ->
            let listed =
                Files.attempt real (fun () ->
                    [
                        for file in entries nested 0 real do
                            let name = fileName file

                            let extension =
                                (Path.GetExtension name |> Option.ofObj |> Option.defaultValue "")
                                    .ToLowerInvariant()

                            if
                                name.StartsWith(prefix, StringComparison.Ordinal)
                                && not (name.StartsWith '.')
                                && not (Leftovers.isName name)
                                && not (sidecars.Contains extension)
                            then
                                yield Path.GetRelativePath(root, file)
                    ])

            match listed with
            | Error fault -> [], [ fault ]
            | Ok files ->
                let files, faults =
                    ((([]: string list), []), files)
                    ||> List.fold (fun (files, faults) file ->
                        match inside root file with
                        | Ok _ -> Path.Combine(root, file) :: files, faults
                        | Error fault -> files, fault :: faults)

                files, faults

    /// Files by stem, and a fault for each stem that more than one file has.
    let private byStem what stemOf (files: string list) =
        let found = Dictionary<string, string>(StringComparer.Ordinal)

        let faults =
            [
                for name, group in files |> List.groupBy stemOf do
                    let sorted = group |> List.sortWith compareNames
                    found[name] <- sorted.Head

                    if group.Length > 1 then
                        let names = sorted |> List.map fileName |> String.concat ", "

                        yield
                            McdrlError.data
                                $"{group.Length} {what}s share the name {name}: {names}"
                                sorted.Head
                                "Keep one of them"
            ]

        found, faults

    /// The frames of a site with their masks, in natural order, and every fault met: missing masks, masks
    /// without a frame, names that occur twice, folders that are missing or lead out of the dataset. A mask has
    /// its frame's name, with or without `_mask` at the end, and in a nested site lies in the folder of the same name.
    let find (root: string) (site: SiteDescription) : DatasetItem list * McdrlError list =
        let imageFiles, imageFaults = list root site.Nested site.Images site.Prefix
        let maskFiles, maskFaults = list root site.Nested site.Masks site.Prefix

        let together =
            match inside root site.Images, inside root site.Masks with
            | Ok images, Ok masks -> images = masks
            | _ -> false

        /// The name of a file, if the site is nested with its folders below that of all.
        let nameIn (folder: string) (file: string) =
            match site.Nested, inside root folder with
            | true, Ok real ->
                Path.ChangeExtension(Path.GetRelativePath(real, file), null)
                |> Option.ofObj
                |> Option.defaultValue ""
            | _ -> stem file

        let isMask file = frameOf (stem file) <> stem file

        let imageFiles, maskFiles =
            if together then
                List.filter (isMask >> not) imageFiles, List.filter isMask maskFiles
            else
                imageFiles, maskFiles

        let images, doubleImages = byStem "frame" (nameIn site.Images) imageFiles
        let masks, doubleMasks = byStem "mask" (nameIn site.Masks >> frameOf) maskFiles

        let maskOf (name: string) =
            match masks.TryGetValue name with
            | true, mask -> Some(name, mask)
            | false, _ ->
                match masks.TryGetValue(frameOf name) with
                | true, mask when not together -> Some(frameOf name, mask)
                | _ -> None

        let names = images.Keys |> Seq.sortWith compareNames |> List.ofSeq

        let paired =
            names
            |> List.choose (fun name -> maskOf name |> Option.map (fun found -> name, found))

        let used = paired |> List.map (fun (_, (maskName, _)) -> maskName) |> set

        let items =
            paired
            |> List.map (fun (name, (_, mask)) ->
                {
                    Site = site.Site
                    Stem = name
                    Image = images[name]
                    Mask = mask
                })

        let missing =
            [
                for name in names do
                    if (maskOf name).IsNone then
                        yield
                            McdrlError.data
                                $"the frame has no mask in \"{site.Masks}\""
                                images[name]
                                $"Add {name}.png there, or remove the frame"

                for name in masks.Keys |> Seq.sortWith compareNames do
                    if not (used.Contains name) then
                        yield
                            McdrlError.data
                                $"the mask has no frame in \"{site.Images}\""
                                masks[name]
                                "Add the frame, or remove the mask"

                if images.Count = 0 && imageFaults.IsEmpty then
                    yield
                        McdrlError.data
                            $"the site {site.Site} has no frame"
                            (Path.Combine(root, site.Images))
                            "Correct images and prefix of the site in dataset.json"
            ]

        let shared = if together then [] else maskFaults
        items, imageFaults @ shared @ doubleImages @ doubleMasks @ missing
