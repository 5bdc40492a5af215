module Mcdrl.Tests.JpegTests

open System
open Expecto
open Mcdrl
open Mcdrl.Tests

let private decode bytes =
    Images.decode ImageLimits.standard "test.jpg" bytes

/// Where the data of the first scan begins.
let private scanOf (jpeg: byte[]) =
    let at = jpeg.AsSpan().IndexOf(ReadOnlySpan [| 0xFFuy; 0xDAuy |])
    at + 2 + 256 * int jpeg[at + 2] + int jpeg[at + 3]

/// The lengths at which the file, cut there and ended by a marker, is taken for whole.
let private takenForWhole (jpeg: byte[]) =
    [
        for length in scanOf jpeg .. jpeg.Length - 3 do
            // A marker's first byte alone would be another file.
            if jpeg[length - 1] <> 0xFFuy then
                match decode (Crafted.endedAt length jpeg) with
                | Ok _ -> length
                | Error fault -> Expect.equal (McdrlError.exitCode fault) 4 (McdrlError.describe fault)
    ]

let tests =
    testList
        "Jpeg"
        [
            for name, jpeg in
                [
                    "in colour", Crafted.jpeg 64 48
                    "of odd sides", Crafted.jpeg 37 21
                    "of one block", Crafted.jpeg 8 8
                    "of one pixel", Crafted.jpeg 1 1
                    "turned", Crafted.withOrientation 6 (Crafted.jpeg 33 17)
                    "with restart markers", Crafted.restartingJpeg
                ] do
                test $"a scan {name} is whole, and cut anywhere it is refused" {
                    Expect.isOk (decode jpeg) "whole"
                    Expect.isEmpty (takenForWhole jpeg) "cut"
                }

            test "a progressive file is whole; cut anywhere but between two scans it is refused" {
                Expect.isOk (decode Crafted.progressiveJpeg) "whole"
                // Coarser, and every block is there: each of the ten scans may be the last, with or without the tables of the next.
                Expect.isLessThan (takenForWhole Crafted.progressiveJpeg).Length 31 "between its scans"
            }

            test "a scan that lacks one of its restart markers is refused" {
                let file = Crafted.restartingJpeg
                let marker = file.AsSpan().IndexOf(ReadOnlySpan [| 0xFFuy; 0xD0uy |])

                match decode (Array.removeManyAt marker 2 file) with
                | Ok _ -> failtest "accepted"
                | Error fault ->
                    Expect.stringContains (McdrlError.describe fault) "its scan ends early" "says so"
            }

            test "what the refusal says" {
                let file = Crafted.jpeg 64 48

                match decode (Crafted.endedAt (file.Length / 2) file) with
                | Ok _ -> failtest "accepted"
                | Error fault ->
                    Expect.stringContains
                        (McdrlError.describe fault)
                        "test.jpg: the image is damaged: its scan ends early"
                        "words"
            }

            test "a file of very many scans is refused" {
                let file = Crafted.progressiveJpeg
                let scan = file.AsSpan().IndexOf(ReadOnlySpan [| 0xFFuy; 0xDAuy |])

                let next =
                    scan + 2 + file.AsSpan(scan + 2).IndexOf(ReadOnlySpan [| 0xFFuy; 0xC4uy |])

                let many =
                    Array.concat
                        [
                            Array.truncate next file
                            Array.concat (Array.replicate 300 file[scan .. next - 1])
                            [| 0xFFuy; 0xD9uy |]
                        ]

                match decode many with
                | Ok _ -> failtest "accepted"
                | Error fault -> Expect.stringContains (McdrlError.describe fault) "scans" "says so"
            }

            Property.check "no mutilated file throws"
            <| fun (seed: int) ->
                let generator = Random seed

                let source =
                    if seed % 2 = 0 then
                        Crafted.progressiveJpeg
                    else
                        Crafted.jpeg 24 18

                let bytes = Array.truncate (20 + generator.Next source.Length) source

                for _ in 1 .. 1 + generator.Next 6 do
                    bytes[generator.Next bytes.Length] <- byte (generator.Next 256)

                decode bytes |> ignore
        ]
