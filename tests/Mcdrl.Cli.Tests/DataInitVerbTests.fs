module Mcdrl.Cli.Tests.DataInitVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private picture folder name =
    Published.write folder name (Published.png 8 6 (Published.scene 3 8 6))

/// A mask of these values in turn.
let private mask folder name (values: int list) =
    Published.write
        folder
        name
        (Crafted.indexed 8 6 8 0 false (Array.init 48 (fun i -> values[i % values.Length])))

let private hospitals values work =
    Folder.temporary (fun folder ->
        let data = Path.Combine(folder, "hospitals")

        for site in [ "west"; "east" ] do
            for name in [ "a"; "b" ] do
                picture data $"{site}/images/{name}.png"
                mask data $"{site}/masks/{name}.png" values

        work data)

let private init data arguments =
    mcdrl ([ "data"; "init"; data ] @ arguments)

let private sound data =
    let check = Outcome.ok (DatasetCheck.run data false Progress.none)
    Expect.isEmpty (check.Problems |> List.map McdrlError.describe) "sound"
    Outcome.ok (Dataset.load data)

let tests =
    testList
        "data init"
        [
            test "a folder of sites is described where it lies, and editors get the schema" {
                hospitals [ 0; 255 ] (fun data ->
                    let outcome = init data [ "--classes"; "polyp"; "--licence"; "CC0"; "--json" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    let dataset = sound data
                    Expect.equal dataset.Name "hospitals" "by its folder"
                    Expect.equal dataset.Classes [ "polyp" ] "class"
                    Expect.equal (dataset.Sites |> List.map _.Name) [ "east"; "west" ] "sites"
                    let text = File.ReadAllText(Path.Combine(data, "dataset.json"))
                    Expect.stringContains text "\"$schema\": \"dataset.schema.json\"" "schema"

                    Expect.equal
                        (File.ReadAllText(Path.Combine(data, "dataset.schema.json")))
                        (DatasetKeys.schema ())
                        "the schema"

                    let again = init data [ "--classes"; "cyst" ]
                    Expect.equal again.Code 2 again.Err
                    Expect.stringContains again.Err "--force" "says what to do"
                    Expect.equal (File.ReadAllText(Path.Combine(data, "dataset.json"))) text "untouched"
                    Expect.equal (init data [ "--classes"; "cyst"; "--force" ]).Code 0 "replaced"
                    Expect.equal (sound data).Classes [ "cyst" ] "replaced")
            }

            test "several classes by value, 255 is what is ignored, and a value may be said" {
                hospitals [ 0; 1; 2; 255 ] (fun data ->
                    Expect.equal (init data [ "--classes"; "polyp, cyst"; "--name"; "N" ]).Code 0 "by order"
                    let dataset = sound data
                    Expect.equal dataset.Classes [ "polyp"; "cyst" ] "classes"
                    Expect.equal dataset.LabelOf[255] (Some Ignored.label) "ignored"

                    let outcome =
                        init
                            data
                            [
                                yield!
                                    [
                                        "--force"
                                        "--mask"
                                        "1=cyst"
                                        "--mask"
                                        "2=background"
                                        "--mask"
                                        "255=polyp"
                                    ]
                            ]

                    Expect.equal outcome.Code 0 outcome.Err
                    let dataset = sound data
                    Expect.equal dataset.Classes [ "cyst"; "polyp" ] "as they are said"

                    Expect.equal
                        (List.map (fun value -> dataset.LabelOf[value]) [ 0; 1; 2; 255 ])
                        [ Some 0uy; Some 1uy; Some 0uy; Some 2uy ]
                        "labels")
            }

            test "colours, shades, nested folders, and masks beside their frames" {
                Folder.temporary (fun folder ->
                    let coloured = Path.Combine(folder, "coloured")
                    picture coloured "images/p1/a.png"

                    Published.write
                        coloured
                        "masks/p1/a.png"
                        (Published.png 8 6 (fun x _ -> if x < 3 then 250uy, 50uy, 83uy else 0uy, 0uy, 0uy))

                    picture coloured "images/top.png"
                    Published.write coloured "masks/top.png" (Published.png 8 6 (fun _ _ -> 0uy, 0uy, 0uy))
                    let outcome = init coloured [ "--mask"; "#FA3253=polyp" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    let dataset = sound coloured
                    Expect.equal dataset.Sites.Head.Items.Length 2 "nested"

                    let shades = Path.Combine(folder, "shades")
                    picture shades "a.png"
                    Published.write shades "a_mask.jpg" (Published.jpeg 90 8 6 (Published.disc 8 6))
                    let outcome = init shades [ "--classes"; "polyp" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.equal (sound shades).Threshold (Some 128uy) "a threshold")
            }

            for name, values, arguments, told in
                [
                    "a value that nothing explains",
                    [ 0; 7; 9 ],
                    [ "--classes"; "polyp" ],
                    "masks hold 7 (4 of 4 read)"
                    "no class", [ 0; 255 ], [], "--mask 255=CLASS"
                    "a value that no mask holds",
                    [ 0; 255 ],
                    [ "--mask"; "7=polyp" ],
                    "no mask that was read holds 7"
                    "no meaning", [ 0; 255 ], [ "--mask"; "255" ], "Write it as 255=polyp"
                    "a class of no name", [ 0; 255 ], [ "--mask"; "255= " ], "class"
                ] do
                test $"{name} is told, and nothing is written" {
                    hospitals values (fun data ->
                        let outcome = init data arguments
                        Expect.isGreaterThan outcome.Code 1 outcome.Err
                        Expect.stringContains outcome.Err told "told"
                        Expect.isEmpty (Directory.GetFiles data) "nothing")
                }

            test "a folder without images and masks is told what to do" {
                Folder.temporary (fun folder ->
                    picture folder "frames/a.png"
                    let outcome = init folder [ "--classes"; "polyp" ]
                    Expect.equal outcome.Code 4 outcome.Err
                    Expect.stringContains outcome.Err "into masks" "told")
            }

            test "what nobody says is asked" {
                hospitals [ 0; 3 ] (fun data ->
                    let asked = ResizeArray<string>()

                    let ask (question: string) (fallback: string option) =
                        asked.Add question
                        Option.defaultValue "polyp" fallback

                    let description =
                        Outcome.ok (
                            DatasetProposal.describe
                                (Outcome.ok (DatasetProposal.survey data))
                                {
                                    Name = None
                                    Classes = []
                                    Masks = []
                                    Licence = None
                                }
                                (Some ask)
                        )

                    Expect.equal asked.Count 2 "the name, and the value"
                    Expect.equal description.Name "hospitals" "the empty answer"
                    Expect.equal description.Values [ 0uy, 0uy; 3uy, 1uy ] "the answer")
            }
        ]
