/// Each dataset with a few generated frames in the layout that it is published in, and imports of it.
module Mcdrl.Tests.PublishedTrees

open System
open System.IO
open Expecto
open Mcdrl

let width, height = 96, 72
let polyp = Published.disc width height
let frame seed = Published.scene seed width height
let area = Published.discArea width height

let private tiff pixel =
    Published.tiff width height 3 (Published.pixels width height pixel)

let private redOrGreen seed x y =
    match polyp x y with
    | 0uy, _, _ -> 0uy, 0uy, 0uy
    | _ -> if seed % 2 = 0 then 255uy, 0uy, 0uy else 0uy, 255uy, 0uy

let private annotations (images: string list) =
    [
        for image in images ->
            $"""{{ "object_id": "{image}", "label_ids": ["l5"], "data": [{{"x":10,"y":10}},{{"x":39,"y":10}},{{"x":39,"y":29}},{{"x":10,"y":29}}] }}"""
    ]
    |> String.concat ","

let private labels =
    """[{ "id": "l5", "name": "Mucosal infiltration" }, { "id": "l1", "name": "Muscosal erythema" }, { "id": "a1", "name": "Trachea" }]"""

/// Each dataset as published, two or three frames a site: files by name.
let trees: Map<string, (string * byte[]) list> =
    let text (value: string) = Text.Encoding.UTF8.GetBytes value
    let jpeg pixel = Published.jpeg 90 width height pixel
    let png pixel = Published.png width height pixel

    let numbered seed =
        Crafted.indexed width height 8 0 false (Array.init (width * height) (fun i -> (i + seed) / width % 7))

    Map.ofList
        [
            "kvasir-seg",
            [
                "kavsir_bboxes.json", text "{}"
                for k in 1..3 do
                    $"images/cju{k}.jpg", jpeg (frame k)
                    $"masks/cju{k}.jpg", jpeg polyp
            ]
            "cvc-clinicdb",
            [
                for k in 1..3 do
                    $"Original/{k}.tif", tiff (frame (10 + k))
                    $"Ground Truth/{k}.tif", tiff polyp
            ]
            "etis-larib",
            [
                for k in 1..3 do
                    $"ETIS-LaribPolypDB/{k}.tif", tiff (frame (20 + k))
                    $"Ground Truth/p{k}.tif", tiff polyp
            ]
            "polypgen",
            [
                for site in [ 1; 4 ] do
                    for k in 1..2 do
                        $"data_C{site}/images_C{site}/100H{k}.jpg", jpeg (frame (30 + 2 * site + k))
                        $"data_C{site}/masks_C{site}/100H{k}_mask.jpg", jpeg polyp
                        $"data_C{site}/bbox_C{site}/100H{k}_mask.txt", text "polyp 1 2 3 4"
                        $"data_C{site}/bbox_image_C{site}/100H{k}.jpg", jpeg (frame (30 + 2 * site + k))
                "sequenceData/positive/seq1/images_seq1/a.jpg", jpeg (frame 40)
                "imagesAll_positive/100H1.jpg", jpeg (frame 33)
            ]
            "bkai-igh",
            [
                for k in 1..3 do
                    $"train/train/{k}.jpeg", jpeg (frame (50 + k))
                    $"train_gt/train_gt/{k}.jpeg", jpeg (redOrGreen k)
                "test/test/9.jpeg", jpeg (frame 59)
            ]
            "vocal-folds",
            [
                "img/.DS_Store", text "x"
                for patient, sequence in [ 1, 1; 1, 4; 2, 5 ] do
                    $"img/patient{patient}/seq{sequence}/0001_l.png", png (frame (60 + sequence))
                    $"annot/patient{patient}/seq{sequence}/0001_l.png", numbered sequence
            ]
            "bm-broncholc",
            [
                for group, images in
                    [ "Lung_cancer", [ "a1"; "a2"; "a3" ]; "Non_lung_cancer", [ "b1"; "b2" ] ] do
                    for k, image in List.indexed images do
                        $"{group}/imgs/p{k}/v/{image}.png", png (frame (70 + k + images.Length * 10))

                    $"{group}/objects.json", text "[]"
                    $"{group}/labels.json", text labels

                    $"{group}/annotation.json",
                    text
                        $"""[{annotations images.Tail}, {{ "object_id": "{images.Head}", "label_ids": ["a1"], "data": [] }}]"""
            ]
            "laryngoscope8",
            [
                for k in 0..2 do
                    $"{k}/{k}0000.png", png (frame (80 + k))
            ]
        ]

let source name =
    Expect.wantOk (ImportCatalogue.find name) name

/// Writes a published tree into `folder/name`; `change` may spoil it.
let publish folder name change =
    for file, bytes in trees[name] do
        Published.write (Path.Combine(folder, name)) file bytes

    change (fun (file: string) -> Path.Combine(folder, name, file))

let request folder names : ImportRequest =
    {
        Sources = names |> List.map (fun name -> source name, Path.Combine(folder, name))
        Out = Path.Combine(folder, "out", "data")
        As = None
        Labels = []
        Options =
            {
                Images = None
                Site = None
                ByFolder = false
            }
        Licence = None
        Classes = None
        Skip = false
    }

let run request = Import.run request Progress.none

let wanted request =
    match run request with
    | Ok report -> report
    | Error problem -> failtest (McdrlError.describe problem)
