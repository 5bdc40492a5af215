namespace Mcdrl.Cli

open System
open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type SettingsArgument =
    | [<MainCommand>] Keys of key: string list
    | [<Unique>] Preset of name: string
    | [<Unique>] Config of file: string
    | [<Unique>] Model of folder: string
    | Set of assignment: string
    | [<Unique>] Write of file: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Keys _ ->
                "the settings to list, or the beginnings of their names, e.g. optimiser or loss.dice. Default: all."
            | Preset _ -> "lists the values of this preset (best, paper or demo) in place of best's."
            | Config _ -> "lists the values of this configuration file."
            | Model _ -> "lists what this model was trained with."
            | Set _ -> "changes one setting, key=value, as `mcdrl train` does. May be repeated."
            | Write _ ->
                "writes all values to this file, with comments, for `mcdrl train --config`. A file that is there is not replaced."

/// `mcdrl settings`
[<RequireQualifiedAccess>]
module SettingsVerb =
    /// The settings whose values are shown, and what they are called.
    let private chosen (arguments: ParseResults<SettingsArgument>) =
        let assignments = arguments.GetResults Set

        match
            arguments.TryGetResult Model,
            arguments.TryGetResult SettingsArgument.Config,
            arguments.TryGetResult SettingsArgument.Preset
        with
        | Some model, None, None ->
            Bundle.manifest model
            |> Result.bind (fun manifest -> Config.ofSettings manifest.Settings assignments)
            |> Result.map (fun settings -> settings, $"the model {model}")
        | None, config, preset ->
            Config.chosen "mcdrl settings" config preset "best" assignments
            |> Result.map (fun settings ->
                settings,
                match config, preset with
                | Some file, _ -> file
                | None, preset -> $"""the preset {Option.defaultValue "best" preset}""")
        | Some _, _, _ ->
            Error(
                McdrlError.usage
                    "--model is given beside --preset or --config"
                    "mcdrl settings"
                    "Give one of them"
            )

    /// The keys that are named, or begin so.
    let private keys (wanted: string list) =
        let fits (word: string) (key: SettingKey) =
            key.Key = word || key.Key.StartsWith(word + ".", StringComparison.Ordinal)

        match
            wanted
            |> List.tryFind (fun word -> not (List.exists (fits word) SettingKeys.all))
        with
        | Some unknown ->
            Error(
                McdrlError.usage
                    "no such setting"
                    unknown
                    $"{Spelling.hint SettingKeys.names unknown}`mcdrl settings` lists all"
            )
        | None ->
            SettingKeys.all
            |> List.filter (fun key -> wanted.IsEmpty || List.exists (fun word -> fits word key) wanted)
            |> Ok

    let private write (file: string) origin settings =
        if Path.Exists file then
            Error(McdrlError.usage "the file exists" file "Give another --write")
        else
            Files.writeText file (SettingKeys.commented origin settings)

    let private run session (arguments: ParseResults<SettingsArgument>) =
        result {
            let! settings, origin = chosen arguments
            let! keys = keys (List.concat (arguments.GetResults Keys))

            let! presets =
                Config.presets
                |> List.traverseResultM (fun name ->
                    Config.ofPreset name [] |> Result.map (fun preset -> name, preset))

            match arguments.TryGetResult Write with
            | Some file ->
                do! write file origin settings

                Session.say
                    session
                    $"Written: {file}, with the values of {origin}. Change them and give it to `mcdrl train --config`."
            | None ->
                if not session.Json then
                    Session.say session $"Values of {origin}; in brackets those of presets that differ."

                for key in keys do
                    let value = SettingKeys.value settings key.Key

                    let others =
                        [
                            for name, preset in presets do
                                let other = SettingKeys.value preset key.Key

                                if other <> value then
                                    $"{name} {other}"
                        ]

                    if session.Json then
                        Session.emit
                            session
                            (Json.object
                                [
                                    "key", Json.text key.Key
                                    "value", System.Text.Json.Nodes.JsonNode.Parse value
                                    "range", Json.text (SettingKeys.rangeText key)
                                    "meaning", Json.text key.Meaning
                                ])
                    else
                        let brackets =
                            if others.IsEmpty then
                                ""
                            else
                                $"""  ({String.concat ", " others})"""

                        Session.say session ""
                        Session.say session $"{key.Key} = {value}{brackets}"
                        Session.say session $"    {key.Meaning}"
                        Session.say session $"    {SettingKeys.rangeText key}"

            return 0
        }

    let verb =
        Verb.create<SettingsArgument>
            "settings"
            "lists what decides a training: every setting with its value, range and meaning"
            run
