/// Label maps as annotation tools export them.
module Mcdrl.Tests.Annotated

open System.IO
open System.Text.Json
open Mcdrl

let private at (map: LabelMap) x y = map.Labels[y * map.Width + x]

/// Lengths of unmarked and marked pixels in turn, column by column.
let runs (map: LabelMap) (label: byte) : int list =
    let lengths = ResizeArray [ 0 ]

    for x in 0 .. map.Width - 1 do
        for y in 0 .. map.Height - 1 do
            if (at map x y = label) <> (lengths.Count % 2 = 0) then
                lengths.Add 0

            lengths[lengths.Count - 1] <- lengths[lengths.Count - 1] + 1

    List.ofSeq lengths

/// Runs as COCO's tools pack them into a text.
let packed (lengths: int list) : string =
    let text = System.Text.StringBuilder()
    let lengths = Array.ofList lengths

    lengths
    |> Array.iteri (fun index length ->
        let mutable value = if index > 2 then length - lengths[index - 2] else length
        let mutable more = true

        while more do
            let five = value &&& 31
            value <- value >>> 5
            // The sixteenth bit is the sign of what is left.
            more <- if five &&& 16 <> 0 then value <> -1 else value <> 0
            text.Append(char ((if more then five ||| 32 else five) + 48)) |> ignore)

    text.ToString()

/// How a lesion is told in COCO's format.
type CocoKind =
    | Outlines
    | Runs
    | PackedRuns

let private list (items: string seq) = "[" + String.concat "," items + "]"

let private segmentation kind (map: LabelMap) (label: byte) =
    let ofRuns counts =
        $"{{\"size\":[{map.Height},{map.Width}],\"counts\":{counts}}}"

    match kind with
    | Outlines ->
        list
            [
                for region in Contours.find map do
                    if region.Label = int label then
                        list
                            [
                                for struct (x, y) in region.Outline do
                                    string x
                                    string y
                            ]
            ]
    | Runs -> runs map label |> Seq.map string |> list |> ofRuns
    | PackedRuns -> runs map label |> packed |> JsonSerializer.Serialize |> ofRuns

/// A COCO file of these images: name, labels, and how they are told. Category k is the k-th of `classes`, from 1.
let coco (classes: string list) (images: (string * LabelMap * CocoKind) list) : string =
    let categories =
        [
            for k, name in List.indexed classes -> $"{{\"id\":{k + 1},\"name\":\"{name}\"}}"
        ]

    let named =
        [
            for id, (name, map, _) in List.indexed images ->
                $"{{\"id\":{id},\"file_name\":\"{name}\",\"width\":{map.Width},\"height\":{map.Height}}}"
        ]

    let annotations =
        [
            for id, (_, map, kind) in List.indexed images do
                for k in 1 .. classes.Length do
                    if map.Labels |> Array.contains (byte k) then
                        id, k, segmentation kind map (byte k)
        ]
        |> List.mapi (fun index (image, category, segmentation) ->
            $"{{\"id\":{index + 1},\"image_id\":{image},\"category_id\":{category},\"iscrowd\":0,\"segmentation\":{segmentation}}}")

    $"{{\"categories\":{list categories},\"images\":{list named},\"annotations\":{list annotations}}}"

/// Writes a text below a folder.
let writeText (folder: string) (name: string) (text: string) =
    let path = Path.Combine(folder, name)
    Directory.CreateDirectory(nonNull (Path.GetDirectoryName path)) |> ignore
    File.WriteAllText(path, text)
