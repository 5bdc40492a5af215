module Mcdrl.Cli.Tests.SettingsVerbTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let tests =
    testList
        "settings"
        [
            test "all settings with value, range, meaning, and what presets have instead" {
                let outcome = mcdrl [ "settings" ]
                Expect.equal outcome.Code 0 outcome.Err

                for key in SettingKeys.all do
                    for text in [ $"{key.Key} = "; key.Meaning; SettingKeys.rangeText key ] do
                        Expect.stringContains outcome.Out text key.Key

                Expect.stringContains
                    outcome.Out
                    "optimiser.epochs = 12  (paper 50, demo 8"
                    "another preset's"

                let objects = objects (mcdrl [ "settings"; "--json" ])
                Expect.equal objects.Length SettingKeys.all.Length "an object each"
            }

            test "some of them, of another preset, with changes" {
                let outcome =
                    mcdrl
                        [
                            "settings"
                            "loss"
                            "optimiser.epochs"
                            "--preset"
                            "paper"
                            "--set"
                            "loss.dice=0.5"
                        ]

                Expect.equal outcome.Code 0 outcome.Err
                Expect.stringContains outcome.Out "loss.dice = 0.5" "changed"
                Expect.stringContains outcome.Out "optimiser.epochs = 50" "the preset's"
                Expect.isFalse (outcome.Out.Contains "method.") "no others"
                let unknown = mcdrl [ "settings"; "optimiser.epoch" ]
                Expect.equal unknown.Code 2 unknown.Err
                Expect.stringContains unknown.Err "Did you mean optimiser.epochs?" "said"
            }

            test "a configuration with comments is written once, and `train` takes it" {
                Folder.temporary (fun folder ->
                    let file = Path.Combine(folder, "config.json")
                    let outcome = mcdrl [ "settings"; "--preset"; "demo"; "--write"; file ]
                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.equal (Config.ofFile file []) (Config.ofPreset "demo" []) "the preset"
                    let again = mcdrl [ "settings"; "--write"; file ]
                    Expect.equal again.Code 2 again.Err
                    let listed = mcdrl [ "settings"; "optimiser"; "--config"; file ]
                    Expect.equal listed.Code 0 listed.Err)
            }

            test "what a model was trained with" {
                let outcome = mcdrl [ "settings"; "method.conditions"; "--model"; World.bundle () ]
                Expect.equal outcome.Code 0 outcome.Err
                Expect.stringContains outcome.Out """["blur","blood","mucus"]""" "the model's"
            }
        ]
