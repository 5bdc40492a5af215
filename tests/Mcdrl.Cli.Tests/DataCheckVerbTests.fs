module Mcdrl.Cli.Tests.DataCheckVerbTests

open System.IO
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private description =
    """{ "name": "T", "classes": ["polyp", "cyst"], "masks": { "0": "background", "1": "polyp", "2": "cyst" },
  "sites": { "a": { "images": "a/images", "masks": "a/masks" }, "b": { "images": "b/images", "masks": "b/masks", "class": "polyp" } } }"""

let private write path width height (labels: byte[]) =
    let map: LabelMap =
        {
            Width = width
            Height = height
            Labels = labels
        }

    Expect.isOk (Masks.write path map) path

/// Two sites of three frames, 4 x 3 pixels; `spoil` may change it.
let private dataset spoil test =
    let folder = Directory.CreateTempSubdirectory("mcdrl-test-").FullName

    try
        for site in [ "a"; "b" ] do
            for k in 0..2 do
                write (Path.Combine(folder, site, "images", $"f{k}.png")) 4 3 (Array.create 12 90uy)

                write
                    (Path.Combine(folder, site, "masks", $"f{k}.png"))
                    4
                    3
                    (Array.init 12 (fun p -> if p < 2 * k then 1uy else 0uy))

        File.WriteAllText(Path.Combine(folder, "dataset.json"), description)
        spoil (fun (name: string) -> Path.Combine(folder, name))
        test folder
    finally
        Directory.Delete(folder, true)

let tests =
    testList
        "data check"
        [
            test "a sound dataset: exit 0 and what it holds" {
                dataset ignore (fun folder ->
                    let outcome = mcdrl [ "data"; "check"; folder; "--json" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    let found = Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"
                    Expect.equal (found.GetProperty("problems").GetArrayLength()) 0 "no problem"
                    let site = found.GetProperty("sites").[0]
                    let number (name: string) = site.GetProperty(name).GetInt32()
                    Expect.equal (number "frames", number "usable", number "empty") (3, 3, 1) "frames"
                    let polyp = site.GetProperty("classes").[0]

                    Expect.equal
                        (polyp.GetProperty("frames").GetInt32(), polyp.GetProperty("pixels").GetInt64())
                        (2, 6L)
                        "polyp"

                    let cyst = site.GetProperty("classes").[1]
                    Expect.equal (cyst.GetProperty("frames").GetInt32()) 0 "cyst"
                    let plain = mcdrl [ "data"; "check"; Path.Combine(folder, "dataset.json") ]
                    Expect.equal plain.Code 0 "by file"
                    Expect.stringContains plain.Out "polyp 2 (6)" "the table")
            }

            test
                "every dataset that is named is checked, wherever it stands and whatever is wrong with another" {
                dataset ignore (fun sound ->
                    let spoil (at: string -> string) = File.Delete(at "a/masks/f0.png")

                    dataset spoil (fun spoilt ->
                        let missing = Path.Combine(sound, "none")

                        let check arguments =
                            mcdrl ([ "data"; "check"; "--json" ] @ arguments)

                        for arguments in [ [ sound; spoilt ]; [ spoilt; "--duplicates"; sound ] ] do
                            let outcome = check arguments
                            Expect.equal outcome.Code 4 outcome.Err

                            let told =
                                objects outcome
                                |> Array.map (fun found ->
                                    found.GetProperty("folder").GetString() |> string)

                            for folder in [ sound; spoilt ] do
                                Expect.contains told folder "reported on"

                        let outcome = check [ missing; sound ]
                        Expect.equal outcome.Code 4 outcome.Err
                        Expect.stringContains outcome.Err missing "named"
                        Expect.hasLength (objects outcome) 1 "the other is reported on"))
            }

            test "what systems leave beside frames and masks is no frame" {
                let spoil (at: string -> string) =
                    for kind in [ "images"; "masks" ] do
                        for name in [ ".DS_Store"; "Thumbs.db"; "desktop.ini"; "._f0.png"; ".directory" ] do
                            File.WriteAllText(at $"a/{kind}/{name}", "")

                        for name in [ "@eaDir"; "__MACOSX" ] do
                            Directory.CreateDirectory(at $"a/{kind}/{name}") |> ignore

                dataset spoil (fun folder ->
                    let outcome = mcdrl [ "data"; "check"; folder ]
                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.isFalse (outcome.Err.Contains "not searched") "nothing of the user's is left out"
                    Directory.CreateDirectory(Path.Combine(folder, "a", "images", "more")) |> ignore
                    let outcome = mcdrl [ "data"; "check"; folder ]
                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.stringContains outcome.Err "not searched: more" "told")
            }

            test "every problem at once, of every kind: exit 4" {
                let spoil (at: string -> string) =
                    File.Delete(at "a/masks/f0.png")
                    write (at "a/masks/f1.png") 4 3 (Array.create 12 7uy)
                    write (at "a/masks/f2.png") 3 4 (Array.create 12 1uy)
                    write (at "a/masks/lonely.png") 4 3 (Array.create 12 1uy)
                    File.WriteAllText(at "b/images/f0.png", "no image")
                    File.WriteAllBytes(at "b/masks/f0.png", [||])
                    write (at "b/images/f1.jpg") 4 3 (Array.create 12 1uy)
                    write (at "b/masks/f2.png") 4 3 (Array.create 12 2uy)

                let expected =
                    [
                        "a/images/f0.png", "no mask"
                        "a/masks/f1.png", "7 (12 pixels)"
                        "a/masks/f2.png", "3 x 4"
                        "a/masks/lonely.png", "no frame"
                        "b/images/f0.png", "not an image"
                        "b/masks/f0.png", "empty"
                        "b/images/f1.jpg", "f1.jpg, f1.png"
                        "b/masks/f2.png", "holds cyst"
                    ]

                dataset spoil (fun folder ->
                    let outcome = mcdrl [ "data"; "check"; folder; "--json" ]
                    Expect.equal outcome.Code 4 "data"
                    let found = Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"

                    let problems =
                        [
                            for problem in found.GetProperty("problems").EnumerateArray() ->
                                string (problem.GetProperty "where"), string (problem.GetProperty "what")
                        ]

                    Expect.hasLength problems expected.Length "all, and no other"

                    for file, what in expected do
                        Expect.exists
                            problems
                            (fun (at, said) -> at.EndsWith file && said.Contains what)
                            $"{file}: {what}"

                        Expect.stringContains outcome.Err file "also for people"

                    Expect.stringContains outcome.Err "8 problems." "how many")
            }

            test "a description that can't be used: exit 4, all its faults" {
                let spoil (at: string -> string) =
                    File.WriteAllText(at "dataset.json", description.Replace("\"name\"", "\"nmae\""))

                dataset spoil (fun folder ->
                    let outcome = mcdrl [ "data"; "check"; folder ]
                    Expect.equal outcome.Code 4 "data"
                    Expect.stringContains outcome.Err "nmae" "unknown key"
                    Expect.stringContains outcome.Err "name: the key is missing" "missing key")
            }

            test "no folder is a usage error, a wrong one a data error" {
                Expect.equal (mcdrl [ "data"; "check" ]).Code 2 "none"
                Expect.equal (mcdrl [ "data"; "check"; "/nowhere" ]).Code 4 "wrong"
            }

            test "a stop is honoured" {
                dataset ignore (fun folder ->
                    use source = new CancellationTokenSource()
                    source.Cancel()
                    Expect.equal (mcdrlWith source.Token [ "data"; "check"; folder ]).Code 130 "stopped")
            }

            for name, frames in [ "polypgen", 1220; "vocalfolds", 536 ] do
                test $"{name} is sound" {
                    let outcome = mcdrl [ "data"; "check"; Shared.path $"data/{name}"; "--json" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    let found = Expect.wantSome (objects outcome |> Array.tryExactlyOne) "one object"

                    let usable =
                        found.GetProperty("sites").EnumerateArray()
                        |> Seq.sumBy (fun site -> site.GetProperty("usable").GetInt32())

                    Expect.equal usable frames "all frames"
                }
        ]
