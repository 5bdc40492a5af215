module Mcdrl.Tests.RankingFilesTests

open System.IO
open Expecto
open Mcdrl

let private frames: RankedFrame list =
    [
        {
            Place = 1
            Image = "frames/a, b.png"
            Disagreement = Some 0.25
            Entropy = 0.5
            DisagreementNearLesion = Some 1e-5
            EntropyNearLesion = 0.75
            Alike = 2
        }
        {
            Place = 2
            Image = "frames/c.png"
            Disagreement = None
            Entropy = 0.125
            DisagreementNearLesion = None
            EntropyNearLesion = 0.125
            Alike = 0
        }
    ]

let private form path = Outcome.ok (RankingFiles.form path)

let tests =
    testList
        "Ranking.Files"
        [
            testCase "as CSV, exactly"
            <| fun () ->
                Expect.equal
                    (form "x.CSV" frames)
                    ("place,image,disagreement,entropy,disagreement near lesion,entropy near lesion,alike\r\n"
                     + "1,\"frames/a, b.png\",0.25,0.5,1E-05,0.75,2\r\n"
                     + "2,frames/c.png,,0.125,,0.125,0\r\n")
                    "text"

            testCase "as JSON lines, whose images are read back in their order"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "list.jsonl")
                    File.WriteAllText(path, form path frames)
                    Expect.equal (File.ReadAllLines(path).Length) 2 "a line a frame"

                    Expect.equal
                        (Outcome.ok (RankingFiles.images path))
                        (frames |> List.map _.Image)
                        "images"

                    File.AppendAllText(path, "\n{ \"image\": \"d.png\" }\n")
                    Outcome.refusedWith 2 [ "line 4"; "place" ] (RankingFiles.images path))

            testCase "a list of 64 MiB is read, a byte more is refused"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "list.jsonl")
                    let blank = String.replicate (1024 * 1024 - 1) " " + "\n"

                    let padded =
                        (form path frames + String.replicate 64 blank).Substring(0, 64 * 1024 * 1024)

                    File.WriteAllText(path, padded)
                    Expect.hasLength (Outcome.ok (RankingFiles.images path)) 2 "at the bound"
                    File.WriteAllText(path, padded + " ")
                    Outcome.refusedWith 5 [ "list.jsonl" ] (RankingFiles.images path))

            testCase "another ending is refused"
            <| fun () -> Outcome.refusedWith 2 [ "list.txt"; ".csv"; ".jsonl" ] (RankingFiles.form "list.txt")
        ]
