module Mcdrl.Cli.Tests.SegmentDicomTests

open System
open System.IO
open System.Text
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private segment out arguments =
    mcdrl ("segment" :: arguments @ [ "--out"; out; "--model"; World.bundle () ])

/// Whether what names the patient stands in these bytes, in any encoding of text.
let private holdsSecret (bytes: byte[]) =
    [ Encoding.ASCII; Encoding.Unicode; Encoding.BigEndianUnicode ]
    |> List.exists (fun encoding -> bytes.AsSpan().IndexOf(encoding.GetBytes CraftedDicom.secret) >= 0)

let private expectSilence (outcome: Outcome) =
    Expect.isFalse
        (holdsSecret (Encoding.UTF8.GetBytes(outcome.Out + outcome.Err)))
        "nothing is said of the patient"

let tests =
    testSequenced (
        testList
            "segment DICOM"
            [
                test "stills and clips are segmented, and answered in DICOM; no output says whose they are" {
                    Folder.temporary (fun folder ->
                        let images, out = Path.Combine(folder, "images"), Path.Combine(folder, "out")
                        CraftedDicom.write folder
                        Directory.CreateDirectory images |> ignore

                        for name in [ "rgb.dcm"; "baseline.dcm"; "1.2.840.77" ] do
                            File.Copy(Path.Combine(folder, name), Path.Combine(images, name))

                        let formats = "coco,coco-rle,cvat,labelme,nrrd,tiff,dicom-seg"

                        for json in [ []; [ "--json" ] ] do
                            let outcome =
                                segment
                                    out
                                    ([ images; "--explain"; "--probabilities"; "--threshold"; "0.01" ]
                                     @ [ "--format"; formats ]
                                     @ json)

                            Expect.equal outcome.Code 0 outcome.Err
                            expectSilence outcome

                        let files = Directory.GetFiles(out, "*", SearchOption.AllDirectories)

                        for file in files do
                            Expect.isFalse (holdsSecret (File.ReadAllBytes file)) file

                        let named (ending: string) =
                            files
                            |> Array.map (fun file -> string (Path.GetFileName file))
                            |> Array.filter _.EndsWith(ending, StringComparison.Ordinal)
                            |> Array.sort

                        let stems = [| "1.2.840.77#1"; "1.2.840.77#2"; "1.2.840.77#3"; "baseline"; "rgb" |]

                        for ending in [ ".mask.png"; ".seg.nrrd"; ".explained.png" ] do
                            Expect.equal
                                (named ending)
                                (stems |> Array.map (fun stem -> stem + ending))
                                ending

                        Expect.equal
                            (named ".seg.dcm")
                            [| "1.2.840.77.seg.dcm"; "baseline.seg.dcm"; "rgb.seg.dcm" |]
                            "a segmentation for each file")
                }

                test "what can't be read is refused without a word on the patient" {
                    Folder.temporary (fun folder ->
                        CraftedDicom.write folder

                        for name in
                            [
                                "mpeg4.dcm"
                                "j2k.dcm"
                                "short.dcm"
                                "report.dcm"
                                "forged.dcm"
                                "nowindow.dcm"
                            ] do
                            let outcome =
                                segment (Path.Combine(folder, "out")) [ Path.Combine(folder, name) ]

                            Expect.notEqual outcome.Code 0 name
                            Expect.stringContains outcome.Err name "named"
                            expectSilence outcome)
                }

                test "a DICOM segmentation of what is no DICOM file is refused before any work" {
                    Folder.temporary (fun folder ->
                        let image = Path.Combine(World.data (), "c", "images", "frame1.png")
                        let outcome = segment folder [ image; "--format"; "dicom-seg" ]
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing")
                }
            ]
    )
