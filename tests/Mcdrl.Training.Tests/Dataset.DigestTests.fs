module Mcdrl.Tests.DatasetDigestTests

open System.IO
open System.Threading
open Expecto
open Mcdrl

let private digest folder =
    let dataset = Outcome.ok (Dataset.load folder)
    Outcome.ok (DatasetDigest.whole dataset CancellationToken.None)

/// Whether a change to a dataset's folder changes its digest.
let private changes (change: string -> unit) =
    Folder.temporary (fun folder ->
        World.writeDataset folder
        let before = digest folder
        Expect.isMatch before "^[0-9a-f]{64}$" "sha256 in lower case"
        change folder
        digest folder <> before)

let private replaced (path: string) (old: string) (by: string) =
    let text = File.ReadAllText path
    Expect.stringContains text old "the old is there"
    File.WriteAllText(path, text.Replace(old, by))

let private description folder = Path.Combine(folder, "dataset.json")

/// Files of the same size whose middle byte is another.
let private spoil (path: string) =
    let bytes = File.ReadAllBytes path
    File.WriteAllBytes(path, Crafted.flip (bytes.Length / 2) bytes)

let tests =
    testList
        "Dataset.Digest"
        [
            testCase "a byte of a mask"
            <| fun () ->
                Expect.isTrue
                    (changes (fun folder -> spoil (Path.Combine(folder, "c", "masks", "frame5.png"))))
                    "changes it"

            testCase "a byte of a frame"
            <| fun () ->
                Expect.isTrue
                    (changes (fun folder -> spoil (Path.Combine(folder, "a", "images", "frame0.png"))))
                    "changes it"

            testCase "a frame's mask in the place of another's"
            <| fun () ->
                Expect.isTrue
                    (changes (fun folder ->
                        let mask number =
                            Path.Combine(folder, "a", "masks", $"frame{number}.png")

                        let first = File.ReadAllBytes(mask 0)
                        File.Copy(mask 1, mask 0, true)
                        File.WriteAllBytes(mask 1, first)))
                    "changes it"

            testCase "a stem"
            <| fun () ->
                Expect.isTrue
                    (changes (fun folder ->
                        for kind in [ "images"; "masks" ] do
                            let path name = Path.Combine(folder, "b", kind, name)
                            File.Move(path "frame5.png", path "frame6.png")))
                    "changes it"

            testCase "a site's name"
            <| fun () ->
                Expect.isTrue
                    (changes (fun folder -> replaced (description folder) "\"a\": {" "\"x\": {"))
                    "changes it"

            testCase "what the values of masks mean"
            <| fun () ->
                Expect.isTrue
                    (changes (fun folder ->
                        replaced
                            (description folder)
                            "\"0\": \"background\", \"255\": \"polyp\""
                            "\"255\": \"background\", \"0\": \"polyp\""))
                    "changes it"

                Expect.isTrue
                    (changes (fun folder ->
                        replaced (description folder) "\"sites\"" "\"threshold\": 128, \"sites\""))
                    "and so does a threshold"

            testCase "the folder, the dataset's name and files beside it have no say"
            <| fun () ->
                Expect.isFalse
                    (changes (fun folder ->
                        replaced (description folder) "\"Discs\"" "\"Renamed\""
                        File.WriteAllText(Path.Combine(folder, "notes.txt"), "read by nobody")))
                    "the same"

                Folder.temporary (fun folder ->
                    let here, there =
                        Path.Combine(folder, "here"), Path.Combine(folder, "there", "deep")

                    World.writeDataset here
                    World.writeDataset there
                    Expect.equal (digest there) (digest here) "wherever it lies")

            testCase "of some frames only"
            <| fun () ->
                let dataset = Outcome.ok (Dataset.load (World.data ()))

                let ofSites names =
                    dataset.Sites
                    |> List.filter (fun site -> List.contains site.Name names)
                    |> List.collect (fun site -> List.ofArray site.Items)
                    |> fun items -> Outcome.ok (DatasetDigest.ofItems dataset items CancellationToken.None)

                let whole = digest (World.data ())
                Expect.equal (ofSites [ "a"; "b"; "c" ]) whole "all of them are the whole"
                Expect.notEqual (ofSites [ "a"; "b" ]) whole "fewer are not"

            testCase "cancelled"
            <| fun () ->
                let dataset = Outcome.ok (Dataset.load (World.data ()))

                Expect.equal
                    (DatasetDigest.whole dataset (CancellationToken true))
                    (Error McdrlError.Cancelled)
                    "cancelled"
        ]
