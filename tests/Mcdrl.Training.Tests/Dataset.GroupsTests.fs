module Mcdrl.Tests.DatasetGroupsTests

open System.IO
open Expecto
open Mcdrl

/// A dataset of one site with the frames p1_a, p1_b and p2_a; `groups` is what its description says of them.
let private dataset groups test =
    Crafted.withFolder (fun folder ->
        for kind in [ "images"; "masks" ] do
            Directory.CreateDirectory(Path.Combine(folder, kind)) |> ignore

        for stem in [ "p1_a"; "p1_b"; "p2_a" ] do
            File.WriteAllBytes(Path.Combine(folder, "images", $"{stem}.jpg"), Crafted.jpeg 6 4)

            File.WriteAllBytes(
                Path.Combine(folder, "masks", $"{stem}.png"),
                Crafted.indexed 6 4 8 0 false (Array.init 24 (fun pixel -> pixel % 2))
            )

        File.WriteAllText(
            Path.Combine(folder, "dataset.json"),
            $$"""{ "name": "T", "classes": ["polyp"], "masks": { "0": "background", "1": "polyp" },
                   "sites": { "a": { "images": "images", "masks": "masks"{{groups}} } } }"""
        )

        test (Dataset.load folder))

let private groupsOf (dataset: Dataset) =
    dataset.Sites.Head.Groups
    |> Map.toList
    |> List.map (fun (stem, group) -> stem, group.Kind, group.Name)

let tests =
    testList
        "Dataset.Groups"
        [
            test "patients by name, sequences by the beginning of names, and none" {
                dataset """, "patients": { "one": ["p1_a", "p1_b"], "two": ["p2_a"] }""" (fun loaded ->
                    Expect.equal
                        (groupsOf (Outcome.ok loaded))
                        [
                            "p1_a", GroupKind.Patients, "one"
                            "p1_b", GroupKind.Patients, "one"
                            "p2_a", GroupKind.Patients, "two"
                        ]
                        "patients")

                dataset """, "sequences": { "s": ["p1_*"], "t": ["p2_a"] }""" (fun loaded ->
                    Expect.equal
                        (groupsOf (Outcome.ok loaded))
                        [
                            "p1_a", GroupKind.Sequences, "s"
                            "p1_b", GroupKind.Sequences, "s"
                            "p2_a", GroupKind.Sequences, "t"
                        ]
                        "sequences")

                dataset "" (fun loaded -> Expect.isEmpty (groupsOf (Outcome.ok loaded)) "images")
            }

            for name, groups, words in
                [
                    "a list in place of an object", """, "patients": ["p1_a"]""", [ "sites.a.patients" ]
                    "a text in place of a list",
                    """, "patients": { "one": "p1_*" }""",
                    [ "sites.a.patients.one"; "list" ]
                    "a number in place of a name",
                    """, "patients": { "one": [1], "two": ["p1_*", "p2_*"] }""",
                    [ "sites.a.patients.one" ]
                    "a group without frames",
                    """, "patients": { "one": [], "two": ["p1_*", "p2_*"] }""",
                    [ "sites.a.patients.one"; "no frame" ]
                    "both at once",
                    """, "patients": { "one": ["p1_*", "p2_*"] }, "sequences": { "s": ["p1_*", "p2_*"] }""",
                    [ "sites.a.sequences"; "twice" ]
                    "a frame that isn't there",
                    """, "sequences": { "s": ["p1_*", "p2_a", "p3_a"] }""",
                    [ "sites.a.sequences.s"; "no frame p3_a" ]
                    "a frame of two",
                    """, "patients": { "one": ["p1_*"], "two": ["p1_b", "p2_a"] }""",
                    [ "p1_b"; "one, two" ]
                    "a frame of none",
                    """, "patients": { "one": ["p1_*"] }""",
                    [ "sites.a.patients"; "no patient: p2_a" ]
                ] do
                test name { dataset groups (Outcome.refusedWith 4 words) }
        ]
