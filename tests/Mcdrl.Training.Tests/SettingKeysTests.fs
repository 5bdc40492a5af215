module Mcdrl.Tests.SettingKeysTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open Mcdrl
open Mcdrl.Tests

let private best = Outcome.ok (Config.ofPreset "best" [])

/// The leaves of settings as they are written, with dots.
let private leaves =
    let rec below path (node: JsonObject) =
        [
            for pair in node do
                let key = if path = "" then pair.Key else $"{path}.{pair.Key}"

                match pair.Value with
                | :? JsonObject as inner when path = "" -> yield! below key inner
                | _ -> key
        ]

    below "" (RecordJson.toObject best)

let private set key value =
    Config.ofPreset "best" [ $"{key}={value}" ]

/// Whether a value is refused because of its key, whatever else it doesn't fit.
let private isRefused (key: string) value =
    match set key value with
    | Ok _ -> false
    | Error problem ->
        McdrlError.flatten problem
        |> List.exists (fun fault -> (McdrlError.describe fault).Contains key)

let private ranges =
    [
        for key in SettingKeys.all do
            test $"{key.Key}: what its range says is what is taken" {
                match key.Range with
                | SettingRange.Whole(low, high) ->
                    for value in [ low; high ] do
                        Expect.isFalse (isRefused key.Key value) $"{value}"

                    for value in [ low - 1; high + 1 ] do
                        Expect.isTrue (isRefused key.Key value) $"{value}"
                | SettingRange.Number(low, high) ->
                    Expect.isFalse (isRefused key.Key ((low + high) / 2.0)) "between"

                    for value in [ low - 1.0; high * 1.01 ] do
                        Expect.isTrue (isRefused key.Key value) $"{value}"
                | SettingRange.Flag -> Expect.isTrue (isRefused key.Key "maybe") "no flag"
                | SettingRange.OneOf words ->
                    let faultOf word =
                        match set key.Key word with
                        | Ok _ -> ""
                        | Error problem -> McdrlError.describe problem

                    for word in words do
                        Expect.isFalse ((faultOf word).Contains "one of") word

                    let told = faultOf "none-of-these"

                    for word in words do
                        Expect.stringContains told word "the reader names it"
                | SettingRange.Other _ -> ()

                Expect.equal (not (isRefused key.Key "null")) key.IsOptional "null"
            }
    ]

let tests =
    testList
        "Setting keys"
        [
            testList "ranges" ranges

            test "every setting is explained, in the order of a configuration" {
                Expect.equal SettingKeys.names leaves "keys"

                for key in SettingKeys.all do
                    Expect.isGreaterThan key.Meaning.Length 20 key.Key
            }

            test "a written configuration is the settings, with every setting explained, and is read as it is" {
                Folder.temporary (fun folder ->
                    for name in Config.presets do
                        let settings = Outcome.ok (Config.ofPreset name [])
                        let path = Path.Combine(folder, $"{name}.json")
                        let text = SettingKeys.commented name settings
                        File.WriteAllText(path, text)
                        Expect.equal (Config.ofFile path []) (Ok settings) name

                        for key in SettingKeys.all do
                            Expect.stringContains text $"// {key.Meaning}" key.Key)
            }

            test "a key that isn't one is told with what may be meant, in --set and in a file" {
                let told outcome =
                    match outcome with
                    | Ok _ -> failtest "taken"
                    | Error problem -> McdrlError.describe problem

                Expect.stringContains
                    (told (set "optimiser.epohcs" 3))
                    "Did you mean optimiser.epochs?"
                    "--set"

                Expect.stringContains (told (set "epochs" 3)) "mcdrl settings" "far from all"

                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "c.json")

                    File.WriteAllText(
                        path,
                        (SettingKeys.commented "best" best).Replace("\"dice\"", "\"dicee\"")
                    )

                    Expect.stringContains (told (Config.ofFile path [])) "Did you mean dice?" "file")
            }
        ]
