namespace Mcdrl.Cli

open System
open FsToolkit.ErrorHandling
open Mcdrl

/// `--format`: the formats of other tools that masks are written in.
[<RequireQualifiedAccess>]
module FormatNames =
    /// What may stand there, in words.
    let usage =
        "coco (outlines; packed runs where a region has holes), coco-rle (packed runs throughout), cvat, labelme, nrrd (3D Slicer's .seg.nrrd) or tiff (a page for each image); several separated by commas."

    /// The names of a list separated by commas.
    let split (text: string) : string list =
        text.Split(',', StringSplitOptions.TrimEntries ||| StringSplitOptions.RemoveEmptyEntries)
        |> List.ofArray
        |> List.distinct

    /// The formats by their names.
    let parse (names: string list) : Result<(string * MaskFormat) list, McdrlError> =
        let known = MaskFiles.formats |> List.map fst

        names
        |> List.traverseResultM (fun name ->
            match MaskFiles.formats |> List.tryFind (fun (known, _) -> known = name) with
            | Some found -> Ok found
            | None ->
                let listed = String.concat ", " known

                Error(
                    McdrlError.usage
                        "this format is not known"
                        $"--format {name}"
                        $"{Spelling.hint known name}Use {listed}"
                ))
