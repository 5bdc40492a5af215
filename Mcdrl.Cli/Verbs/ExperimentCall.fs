namespace Mcdrl.Cli

open System.IO
open FsToolkit.ErrorHandling
open Mcdrl

/// What is asked of an experiment, as it is typed: all but where its results go, what computes and which part.
type ExperimentCall =
    {
        Name: string
        Data: string
        Test: string option
        Tower: string option
        Weights: string option
        Text: string option
        TextWeights: string option
        Preset: string option
        Config: string option
        Assignments: string list
        Seeds: int
        Methods: string option
        Protocol: string option
        Conditions: int option
    }

/// An experiment's call, checked, and as a command line.
[<RequireQualifiedAccess>]
module ExperimentCall =
    /// The number of seeds unless it is given.
    let seeds = 3

    let private isMini (call: ExperimentCall) = call.Tower = Some "mini"

    let private chosen (call: ExperimentCall) (design: ExperimentDesign) =
        match call.Methods with
        | None -> Ok design
        | Some listed ->
            let wanted = listed.Split ',' |> Array.map _.Trim() |> List.ofArray
            let known = design.Methods |> List.map _.Key

            match wanted |> List.filter (fun key -> not (List.contains key known)) with
            | unknown :: _ ->
                let keys = String.concat ", " known

                Error(
                    McdrlError.usage
                        $"{design.Name} has no such method"
                        $"--methods {unknown}"
                        $"Choose some of {keys}"
                )
            | [] when not (List.contains design.Reference wanted) ->
                Error(
                    McdrlError.usage
                        $"{design.Reference}, which the others are compared with, is missing"
                        "--methods"
                        $"Add {design.Reference}"
                )
            | [] ->
                Ok
                    { design with
                        Methods =
                            design.Methods |> List.filter (fun method -> List.contains method.Key wanted)
                    }

    /// The experiment that is named, with the methods that are asked for.
    let design (call: ExperimentCall) : Result<ExperimentDesign, McdrlError> =
        ExperimentCatalogue.find call.Name |> Result.bind (chosen call)

    let private namesWeights (call: ExperimentCall) =
        if call.Weights.IsSome || isMini call then
            Ok()
        else
            Error(
                McdrlError.usage
                    "there are no weights"
                    "mcdrl experiment"
                    "Name them with --weights, or use --tower mini"
            )

    let private fallback call = if isMini call then "demo" else "best"

    /// The shared settings with further assignments.
    let private settingsWith (call: ExperimentCall) more =
        Config.chosen "mcdrl experiment" call.Config call.Preset (fallback call) (call.Assignments @ more)

    /// How the report names them.
    let private budget (call: ExperimentCall) =
        let named =
            match call.Config with
            | Some file -> $"settings of {Path.GetFileName file}"
            | None -> $"preset {Option.defaultValue (fallback call) call.Preset}"

        named
        :: (if call.Assignments.IsEmpty then
                []
            else
                [ String.concat ", " call.Assignments ])
        |> String.concat "; "

    let private atLeastOne flag fix number =
        if number >= 1 then
            Ok()
        else
            Error(McdrlError.usage "must be at least 1" flag fix)

    let private protocol (call: ExperimentCall) =
        Mcdrl.Protocol.parse (Option.defaultValue "imagewise" call.Protocol)

    /// Everything about a call that can be told without a look at data and weights.
    let check (call: ExperimentCall) : Result<unit, McdrlError> =
        result {
            let! _ = design call
            do! namesWeights call
            let! _ = protocol call
            do! atLeastOne "--seeds" "Give the number of seeds" call.Seeds

            do!
                atLeastOne
                    "--conditions"
                    "Give the number of frames of each site, or leave it out"
                    (Option.defaultValue 1 call.Conditions)

            // A file may lie where only those see it who run the call.
            if call.Config.IsNone || call.Preset.IsSome then
                let! _ = settingsWith call []
                ()
        }

    let private flagged (call: ExperimentCall) =
        [
            "--data", Some call.Data
            "--test", call.Test
            "--tower", call.Tower
            "--weights", call.Weights
            "--text", call.Text
            "--text-weights", call.TextWeights
            "--preset", call.Preset
            "--config", call.Config
            for assignment in call.Assignments do
                "--set", Some assignment
            "--methods", call.Methods
            "--protocol", call.Protocol
            "--conditions", call.Conditions |> Option.map string
            "--seeds", Some(string call.Seeds)
        ]

    /// The words after `experiment` that repeat the call.
    let words (call: ExperimentCall) : string list =
        [
            call.Name
            for flag, value in flagged call do
                for value in Option.toList value do
                    flag
                    value
        ]

    /// The paths in a call, by their flags, and whether each is a folder for certain.
    let paths (call: ExperimentCall) : (string * string * bool) list =
        [
            for flag, path, isFolder in
                [
                    "--data", Some call.Data, true
                    "--test", call.Test, true
                    "--weights", call.Weights, false
                    "--text", call.Text, false
                    "--text-weights", call.TextWeights, true
                    "--config", call.Config, false
                ] do
                for path in Option.toList path do
                    flag, path, isFolder
        ]

    /// The call with each of its paths changed.
    let mapPaths change (call: ExperimentCall) : ExperimentCall =
        { call with
            Data = change call.Data
            Test = Option.map change call.Test
            Weights = Option.map change call.Weights
            Text = Option.map change call.Text
            TextWeights = Option.map change call.TextWeights
            Config = Option.map change call.Config
        }

    /// The call as what the library runs.
    let request part (out: string) device (call: ExperimentCall) : Result<ExperimentRequest, McdrlError> =
        result {
            do! check call
            let! design = design call

            let! weights =
                match call.Weights with
                | Some path -> Ok path
                | None -> MiniWeights.folder ()

            let! protocol = protocol call

            return
                {
                    Design = design
                    Data = call.Data
                    Test = call.Test
                    Tower = call.Tower |> Option.filter ((<>) "mini")
                    Weights = weights
                    Text = call.Text
                    TextWeights = call.TextWeights
                    Budget = [ budget call ]
                    SettingsWith = settingsWith call
                    Seeds = call.Seeds
                    Protocol = protocol
                    Conditioned = call.Conditions
                    Part = part
                    Out = Path.GetFullPath out
                    Device = device
                    Command =
                        "mcdrl" :: "experiment" :: words call
                        |> List.map ShellWord.quoted
                        |> String.concat " "
                }
        }
