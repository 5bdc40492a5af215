module Mcdrl.Cli.Tests.DataExportVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testList
        "data export"
        [
            test "a folder for each site, with the files that are told" {
                Folder.temporary (fun folder ->
                    let out = Path.Combine(folder, "out")

                    let outcome =
                        mcdrl
                            [
                                "data"
                                "export"
                                "--data"
                                World.data ()
                                "--out"
                                out
                                "--format"
                                "cvat,nrrd,labelme"
                                "--json"
                            ]

                    Expect.equal outcome.Code 0 outcome.Err
                    let dataset = Outcome.ok (Dataset.load (World.data ()))

                    Expect.equal
                        [
                            for site in objects outcome -> site.GetProperty("site").GetString() |> string
                        ]
                        [ for site in dataset.Sites -> site.Name ]
                        "sites"

                    for site in objects outcome do
                        for file in site.GetProperty("files").EnumerateArray() do
                            Expect.isTrue (Path.Exists(string file)) (string file)

                        let count = site.GetProperty("frames").GetInt32()
                        let folder = string (site.GetProperty "folder")

                        for pattern in [ "*.seg.nrrd"; "*.json" ] do
                            Expect.hasLength
                                (Directory.GetFiles(folder, pattern, SearchOption.AllDirectories))
                                count
                                pattern)
            }

            test "what can't be is refused: an unknown format, no dataset, and nothing is written" {
                Folder.temporary (fun folder ->
                    let export data format =
                        mcdrl [ "data"; "export"; "--data"; data; "--out"; folder; "--format"; format ]

                    let unknown = export (World.data ()) "pascal"
                    Expect.equal unknown.Code 2 unknown.Err
                    Expect.stringContains unknown.Err "pascal" "named"
                    Expect.equal (export folder "coco").Code 4 "no dataset"
                    Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing written")
            }
        ]
