module Mcdrl.Cli.Tests.DataImportVerbTests

open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private width, height = 64, 48

/// Kvasir-SEG as published, three frames; `spoil` may change it. Hands out the folder and where ours may go.
let private kvasir spoil test =
    Folder.temporary (fun folder ->
        for k in 1..3 do
            let write kind pixel =
                Published.write
                    (Path.Combine(folder, "Kvasir-SEG"))
                    $"{kind}/cju{k}.jpg"
                    (Published.jpeg 90 width height pixel)

            write "images" (Published.scene k width height)
            write "masks" (Published.disc width height)

        spoil (fun (name: string) -> Path.Combine(folder, "Kvasir-SEG", name))
        test (Path.Combine(folder, "Kvasir-SEG")) (Path.Combine(folder, "ours")))

let private one outcome =
    Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"

/// Forty rendered frames of two hospitals as two COCO exports; `work` is given the folder, and ours of the same frames.
let private exported work =
    World.within (fun folder ->
        let rendered = Path.Combine(folder, "rendered")

        Outcome.ok (
            PhantomDataset.write
                {
                    Out = rendered
                    Sites = 2
                    Images = 20
                    Seed = 5UL
                    Side = 64
                    Confounded = false
                    Force = false
                }
                Progress.none
        )
        |> ignore

        let dataset = Outcome.ok (Dataset.load rendered)

        for site in dataset.Sites do
            let export = Path.Combine(folder, "exports", site.Name)
            Directory.CreateDirectory(Path.Combine(export, "images")) |> ignore

            [
                for index, item in Seq.indexed site.Items do
                    File.Copy(item.Image, Path.Combine(export, "images", item.Stem + ".png"))

                    item.Stem + ".png",
                    Outcome.ok (Dataset.labels dataset item),
                    [ Annotated.Outlines; Annotated.Runs; Annotated.PackedRuns ][index % 3]
            ]
            |> Annotated.coco dataset.Classes
            |> Annotated.writeText export "annotations/instances_default.json"

        work folder dataset)

let private journey =
    testSequenced (
        test "a COCO export of 40 frames is imported, checked, trained on and evaluated" {
            exported (fun folder rendered ->
                let names = rendered.Sites |> List.map _.Name
                let data = Path.Combine(folder, "ours")
                let run = Path.Combine(folder, "run")

                let ok arguments =
                    let outcome = mcdrl (arguments @ [ "--json" ])
                    Expect.equal outcome.Code 0 outcome.Err
                    one outcome

                let imported =
                    ok
                        [
                            yield! [ "data"; "import" ]

                            for name in names do
                                yield! [ "coco"; Path.Combine(folder, "exports", name) ]

                            yield! [ "--as"; "polyp"; "--out"; data ]
                        ]

                let frames =
                    [
                        for site in imported.GetProperty("sites").EnumerateArray() ->
                            site.GetProperty("frames").GetInt32()
                    ]

                Expect.equal frames [ 20; 20 ] "frames"
                let ours = Outcome.ok (Dataset.load data)

                for site in rendered.Sites do
                    let own = ours.Sites |> List.find (fun other -> other.Name = site.Name)

                    for item, other in Seq.zip site.Items own.Items do
                        Expect.equal other.Stem item.Stem "frame"

                        Expect.equal
                            (Outcome.ok (Dataset.labels ours other)).Labels
                            ((Outcome.ok (Dataset.labels rendered item)).Labels |> Array.map (min 1uy))
                            item.Stem

                ok [ "data"; "check"; data ] |> ignore

                ok
                    [
                        yield! [ "train"; "--data"; data; "--leave-out"; names[1]; "--out"; run ]
                        yield! [ "--weights"; Path.Combine(folder, "tower.safetensors") ]
                        yield! [ "--text"; Path.Combine(folder, "text.safetensors") ]
                        yield! tinyTraining
                        yield! [ "--set"; "augmentation.colour_exchange=0" ]
                    ]
                |> ignore

                let evaluated =
                    ok
                        [
                            yield! [ "evaluate"; "--model"; Path.Combine(run, "model") ]
                            yield! [ "--data"; data; "--site"; names[1] ]
                        ]

                Expect.stringContains (evaluated.GetRawText()) names[1] "the unseen hospital")
        }
    )

let tests =
    testList
        "data import"
        [
            journey

            test "alone and under --help it lists every dataset with licence, address and folder" {
                for arguments in [ []; [ "--help" ] ] do
                    let outcome = mcdrl ([ "data"; "import" ] @ arguments)
                    Expect.equal outcome.Code 0 outcome.Err

                    for source in ImportCatalogue.formats @ ImportCatalogue.all do
                        for text in [ source.Name; source.Licence; source.Address; source.Expected ] do
                            Expect.stringContains outcome.Out text source.Name

                let names =
                    objects (mcdrl [ "data"; "import"; "--json" ])
                    |> Array.map (fun item -> string (item.GetProperty("name").GetString()))

                Expect.equal
                    (List.ofArray names)
                    (ImportCatalogue.formats @ ImportCatalogue.all |> List.map _.Name)
                    "as objects"
            }

            test "an import: exit 0, and the dataset is sound" {
                kvasir ignore (fun published ours ->
                    let outcome =
                        mcdrl [ "data"; "import"; "kvasir-seg"; published; "--out"; ours; "--json" ]

                    Expect.equal outcome.Code 0 outcome.Err
                    let found = one outcome
                    Expect.isTrue (found.GetProperty("written").GetBoolean()) "written"
                    let site = found.GetProperty("sites").[0]

                    Expect.equal
                        (site.GetProperty("site").GetString(), site.GetProperty("frames").GetInt32())
                        ("kvasir-seg", 3)
                        "site"

                    Expect.stringContains outcome.Err "research" "the licence is told"
                    Expect.equal (mcdrl [ "data"; "check"; ours ]).Code 0 "sound")
            }

            test
                "every dataset that is named is imported, before an option and after it; a name alone is refused" {
                Folder.temporary (fun folder ->
                    let trees = [ "kvasir-seg"; "etis-larib" ]
                    let published name = Path.Combine(folder, name)

                    for name in trees do
                        for path, bytes in PublishedTrees.trees[name] do
                            Published.write (published name) path bytes

                    let joined = Path.Combine(folder, "joined")

                    let outcome =
                        mcdrl
                            [
                                yield! [ "data"; "import"; "kvasir-seg"; published "kvasir-seg" ]
                                yield! [ "--out"; joined; "etis-larib"; published "etis-larib" ]
                            ]

                    Expect.equal outcome.Code 0 outcome.Err

                    for name in trees do
                        Expect.isTrue (Directory.Exists(Path.Combine(joined, name))) name

                    let alone =
                        mcdrl [ "data"; "import"; "kvasir-seg"; "--out"; joined; "etis-larib"; "x" ]

                    Expect.equal alone.Code 2 alone.Err)
            }

            test "a problem: exit 4 and nothing written; with --skip exit 1 and the rest" {
                let spoil (at: string -> string) = File.Delete(at "masks/cju2.jpg")

                kvasir spoil (fun published ours ->
                    let arguments = [ "data"; "import"; "kvasir-seg"; published; "--out"; ours ]
                    let refused = mcdrl arguments
                    Expect.equal refused.Code 4 "data"
                    Expect.stringContains refused.Err "1 image has no mask" "what"
                    Expect.stringContains refused.Err "cju2.jpg" "which"
                    Expect.stringContains refused.Out "Nothing was written" "told"
                    Expect.isFalse (Directory.Exists ours) "nothing"
                    let skipped = mcdrl (arguments @ [ "--skip"; "--json" ])
                    Expect.equal skipped.Code 1 "some left out"
                    Expect.equal ((one skipped).GetProperty("skipped").GetInt32()) 1 "one"
                    Expect.equal ((one skipped).GetProperty("problems").GetArrayLength()) 1 "told"
                    Expect.equal (mcdrl [ "data"; "check"; ours ]).Code 0 "sound")
            }

            test "wrong use is exit 2, wrong data exit 4" {
                kvasir ignore (fun published ours ->
                    for arguments, code in
                        [
                            [ "kvasir-seg"; published ], 2
                            [ "kvasir-seg"; "--out"; ours ], 2
                            [ "--out"; ours ], 2
                            [ "kvasir"; published; "--out"; ours ], 2
                            [ "kvasir-seg"; published; "polypgen"; "--out"; ours ], 2
                            [ "kvasir-seg"; published; "--out"; Path.Combine(published, "images") ], 2
                            [ "kvasir-seg"; published + "x"; "--out"; ours ], 4
                            [ "polypgen"; published; "--out"; ours ], 4
                        ] do
                        let outcome = mcdrl ([ "data"; "import" ] @ arguments)
                        Expect.equal outcome.Code code (String.concat " " arguments)
                        Expect.isFalse (Directory.Exists ours) "nothing written")
            }

            test "a stop is honoured" {
                kvasir ignore (fun published ours ->
                    use source = new CancellationTokenSource()
                    source.Cancel()

                    let outcome =
                        mcdrlWith source.Token [ "data"; "import"; "kvasir-seg"; published; "--out"; ours ]

                    Expect.equal outcome.Code 130 "stopped"
                    Expect.isFalse (Directory.Exists ours) "nothing")
            }

            test "data check --duplicates finds a frame in two sites, the copy and the one encoded anew" {
                kvasir ignore (fun published ours ->
                    Expect.equal
                        (mcdrl [ "data"; "import"; "kvasir-seg"; published; "--out"; ours ]).Code
                        0
                        "imported"

                    let at (name: string) = Path.Combine(ours, name)

                    for kind in [ "images"; "masks" ] do
                        Directory.CreateDirectory(at $"other/{kind}") |> ignore

                    File.Copy(at "kvasir-seg/images/cju1.jpg", at "other/images/x.jpg")

                    File.WriteAllBytes(
                        at "other/images/y.jpg",
                        Published.jpeg 50 width height (Published.scene 2 width height)
                    )

                    File.WriteAllBytes(
                        at "other/images/z.jpg",
                        Published.jpeg 90 width height (Published.scene 9 width height)
                    )

                    for name in [ "x"; "y"; "z" ] do
                        File.Copy(at "kvasir-seg/masks/cju1.png", at $"other/masks/{name}.png")

                    let text = File.ReadAllText(at "dataset.json")

                    File.WriteAllText(
                        at "dataset.json",
                        text.Replace(
                            "\"sites\": {",
                            "\"sites\": { \"other\": { \"images\": \"other/images\", \"masks\": \"other/masks\" },"
                        )
                    )

                    let outcome = mcdrl [ "data"; "check"; ours; "--duplicates"; "--json" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    let found = (one outcome).GetProperty "duplicates"
                    let number (name: string) = found.GetProperty(name).GetInt32()
                    Expect.equal (number "frames", number "count", number "same_files") (6, 2, 1) "figures"
                    let first = found.GetProperty("pairs").[0]

                    Expect.stringEnds
                        (string (first.GetProperty("first").GetProperty "image"))
                        "x.jpg"
                        "the copy first"

                    Expect.isTrue (first.GetProperty("same_file").GetBoolean()) "as a copy"
                    Expect.stringContains outcome.Err "2 pairs of frames are in two sites" "for people"

                    Expect.isFalse
                        ((mcdrl [ "data"; "check"; ours; "--json" ]).Out.Contains "duplicates")
                        "only when asked")
            }
        ]
