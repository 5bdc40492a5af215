module Mcdrl.Tests.DatasetKeysTests

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Expecto
open Mcdrl
open Mcdrl.Tests

let private whole () =
    JsonNode.Parse
        """{ "$schema": "dataset.schema.json", "name": "T", "licence": "CC0", "citation": "none", "classes": ["polyp", "cyst"],
             "masks": { "0": "background", "255": "polyp" }, "threshold": 128, "mask_orientation": "stored",
             "sites": { "a": { "images": "a/images", "masks": "a/masks", "class": "polyp", "prefix": "f", "nested": true,
                               "patients": { "1": ["f1", "f2*"] } } } }"""
    |> nonNull
    |> _.AsObject()

let private siteOf (root: JsonObject) =
    (nonNull ((nonNull root["sites"])["a"])).AsObject()

let private faults (root: JsonObject) =
    match DatasetDescription.parse "made" (root.ToJsonString()) with
    | Ok _ -> []
    | Error faults -> faults |> List.map McdrlError.describe

/// A value of another type than the one that a key asks for.
let private wrong (value: DatasetValue) : JsonNode | null =
    match value with
    | DatasetValue.OneOf _ -> JsonValue.Create "sideways"
    | DatasetValue.Text
    | DatasetValue.Classes
    | DatasetValue.Meanings
    | DatasetValue.Groups
    | DatasetValue.Sites -> JsonValue.Create 7
    | DatasetValue.Flag -> JsonValue.Create "yes"
    | DatasetValue.Level -> JsonValue.Create 255

let private schema = lazy (JsonDocument.Parse(DatasetKeys.schema ()).RootElement)

let private ofSite () =
    schema.Value.GetProperty("properties").GetProperty("sites").GetProperty("additionalProperties")

let private names (element: JsonElement) =
    [
        for property in element.GetProperty("properties").EnumerateObject() -> property.Name
    ]

let private required (element: JsonElement) =
    [
        for name in element.GetProperty("required").EnumerateArray() -> string (name.GetString())
    ]

let private readerTests =
    [
        for place, keys, enter in [ "", DatasetKeys.root, id; "sites.a.", DatasetKeys.site, siteOf ] do
            for key in keys do
                test $"{place}{key.Name}: the reader wants what the schema says" {
                    if key.Name <> "sequences" then
                        Expect.isTrue ((enter (whole ())).ContainsKey key.Name) "the example has every key"

                    Expect.isEmpty (faults (whole ())) "which is read"
                    let other = whole ()
                    (enter other)[key.Name] <- wrong key.Holds

                    Expect.exists
                        (faults other)
                        (fun line -> line.Contains $"made: {place}{key.Name}")
                        "of another type"

                    let without = whole ()
                    (enter without).Remove key.Name |> ignore

                    Expect.equal
                        (faults without |> List.exists (fun line -> line.Contains "is missing"))
                        key.Needed
                        "without it"
                }
    ]

let private schemaTests =
    [
        test "the schema has the reader's keys, asks for those that are needed, and allows no others" {
            for element, keys in [ schema.Value, DatasetKeys.root; ofSite (), DatasetKeys.site ] do
                Expect.equal (names element) (DatasetKeys.names keys) "keys"
                Expect.equal (required element) (keys |> List.filter _.Needed |> DatasetKeys.names) "needed"
                Expect.isFalse (element.GetProperty("additionalProperties").GetBoolean()) "no others"
        }

        test "mask values and colours that the schema lets through are those that the reader takes" {
            let patterns =
                [
                    for pattern in
                        schema.Value
                            .GetProperty("properties")
                            .GetProperty("masks")
                            .GetProperty("patternProperties")
                            .EnumerateObject() -> Text.RegularExpressions.Regex pattern.Name
                ]

            for key in
                [ for value in -1 .. 300 -> string value ]
                @ [
                    "00"
                    "07"
                    "1.0"
                    ""
                    "#ff0000"
                    "#FF00aA"
                    "#ff000"
                    "#ff00000"
                    "#gg0000"
                    "ff0000"
                    "red"
                ] do
                let root = whole ()
                root.Remove "threshold" |> ignore
                root["masks"] <- JsonObject(dict [ key, (JsonValue.Create "polyp" :> JsonNode | null) ])

                Expect.equal
                    (patterns |> List.exists (fun pattern -> pattern.IsMatch key))
                    (faults root).IsEmpty
                    $"\"{key}\""
        }

        test "an unknown key is told with the one that may be meant" {
            let root = whole ()
            root["clases"] <- JsonArray()
            (siteOf root)["image"] <- JsonValue.Create "a"
            let told = faults root |> String.concat "\n"
            Expect.stringContains told "Did you mean classes?" "root"
            Expect.stringContains told "Did you mean images?" "site"
        }
    ]

let private repositoryFile parts =
    Path.Combine(Array.append [| Repository.root |] (Array.ofList parts))

let private documents =
    [
        test "docs/dataset.schema.json is the schema" {
            Expect.equal
                (File.ReadAllText(repositoryFile [ "docs"; "dataset.schema.json" ]))
                (DatasetKeys.schema ())
                "write DatasetKeys.schema () there"
        }

        test "docs/data.md has every key in one table, in the words of the schema" {
            let rows =
                [
                    for place, keys in [ "", DatasetKeys.root; "of a site: ", DatasetKeys.site ] do
                        for key in keys do
                            let needed = if key.Needed then "yes" else ""
                            $"| {place}`{key.Name}` | {needed} | {key.Says} |"
                ]

            Expect.stringContains
                (File.ReadAllText(repositoryFile [ "docs"; "data.md" ]))
                (String.concat "\n" rows)
                "the rows of the table"
        }
    ]

let private labels width height name (dataset: Dataset) =
    let item =
        dataset.Sites
        |> Seq.collect _.Items
        |> Seq.find (fun (item: DatasetItem) -> item.Stem = name)

    let map = Outcome.ok (Dataset.labels dataset item)
    Expect.equal (map.Width, map.Height) (width, height) "size"
    List.ofArray map.Labels

/// A dataset with one site in images and masks.
let private dataset masks site write test =
    Crafted.withFolder (fun folder ->
        for kind in [ "images"; "masks" ] do
            Directory.CreateDirectory(Path.Combine(folder, kind)) |> ignore

        File.WriteAllText(
            Path.Combine(folder, "dataset.json"),
            $"""{{ "name": "T", "classes": ["polyp", "cyst"], "masks": {masks}, "sites": {{ "a": {{ "images": "images", "masks": "masks"{site} }} }} }}"""
        )

        write (fun (name: string) (bytes: byte[]) -> Published.write folder name bytes)
        test folder)

let private files =
    [
        test "masks of colours, with and without a palette; a colour that means nothing is named" {
            let colours =
                """{ "#000000": "background", "#fa3253": "polyp", "#33ddff": "cyst", "#ffffff": "ignore" }"""

            let write (put: string -> byte[] -> unit) =
                let colour i =
                    [|
                        0uy, 0uy, 0uy
                        250uy, 50uy, 83uy
                        51uy, 221uy, 255uy
                        255uy, 255uy, 255uy
                        1uy, 2uy, 3uy
                    |][i]

                let mask last =
                    Published.png 2 2 (fun x y -> colour (if x + y = 2 then last else x + 2 * y))

                for name in [ "a"; "b"; "c" ] do
                    put $"images/{name}.png" (Crafted.png 2 2)

                put "masks/a.png" (mask 3)
                put "masks/c.png" (mask 4)
                use memory = new MemoryStream()
                Png.write memory 2 2 (Some [| for i in [ 3; 0; 2; 1 ] -> colour i |]) [| 1uy; 3uy; 2uy; 0uy |]
                put "masks/b.png" (memory.ToArray())

            dataset colours "" write (fun folder ->
                let dataset = Outcome.ok (Dataset.load folder)
                Expect.equal (labels 2 2 "a" dataset) [ 0uy; 1uy; 2uy; Ignored.label ] "colours"
                Expect.equal (labels 2 2 "b" dataset) [ 0uy; 1uy; 2uy; Ignored.label ] "palette"
                let check = Outcome.ok (DatasetCheck.run folder false Progress.none)

                match check.Problems |> List.map McdrlError.describe with
                | [ line ] -> Expect.stringContains line "#010203 (1 pixels)" "named"
                | other -> failtest $"{other}")
        }

        test "values and colours in one are refused" {
            dataset """{ "0": "background", "#fa3253": "polyp" }""" "" ignore (fun folder ->
                match Dataset.load folder with
                | Ok _ -> failtest "accepted"
                | Error problem ->
                    Expect.stringContains (McdrlError.describe problem) "some are colours" "told")
        }

        test "a nested site pairs what lies in folders of the same name, and names frames by them" {
            let write (put: string -> byte[] -> unit) =
                for name in [ "p1/s1/f"; "p2/f"; "g" ] do
                    put $"images/{name}.png" (Crafted.png 2 2)

                put "masks/p1/s1/f_mask.png" (Crafted.indexed 2 2 8 0 false [| 0; 1; 1; 1 |])
                put "masks/p2/f.png" (Crafted.indexed 2 2 8 0 false [| 0; 0; 0; 2 |])
                put "masks/g.png" (Crafted.indexed 2 2 8 0 false [| 1; 1; 1; 2 |])

            let masks = """{ "0": "background", "1": "polyp", "2": "cyst" }"""

            dataset
                masks
                """, "nested": true, "patients": { "1": ["p1/*"], "2": ["p2/*", "g"] }"""
                write
                (fun folder ->
                    let dataset = Outcome.ok (Dataset.load folder)

                    Expect.equal
                        (dataset.Sites.Head.Items |> Array.map _.Stem |> Set.ofArray)
                        (Set [ "p1/s1/f"; "p2/f"; "g" ])
                        "names"

                    Expect.equal (labels 2 2 "p1/s1/f" dataset) [ 0uy; 1uy; 1uy; 1uy ] "its own mask"
                    Expect.equal (labels 2 2 "p2/f" dataset) [ 0uy; 0uy; 0uy; 2uy ] "its own mask"
                    Expect.isEmpty (DatasetUnread.lines folder) "nothing is left out")

            dataset masks "" write (fun folder ->
                Expect.equal
                    (Outcome.ok (Dataset.load folder)).Sites.Head.Items.Length
                    1
                    "without the key folders are not searched"

                Expect.all
                    (DatasetUnread.lines folder)
                    (fun line -> line.Contains "\"nested\": true")
                    "which is told")
        }
    ]

let tests = testList "Dataset keys" (readerTests @ schemaTests @ documents @ files)
