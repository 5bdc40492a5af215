namespace Mcdrl.Cli

open System.IO
open Argu
open Mcdrl

type PretrainArgument =
    | [<Mandatory; Unique>] Out of folder: string
    | [<Unique>] Seed of number: uint64
    | [<Unique>] Steps of number: int
    | Set of assignment: string
    | [<Unique>] Frames of number: int
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Out _ ->
                "the folder to write; one that pretrain wrote, and that holds nothing else, is replaced when all is done."
            | Seed _ -> "decides every random choice. Default 1."
            | Steps _ -> "optimiser steps; the same as --set steps=N."
            | Set _ -> "changes one setting of the recipe, key=value, for instance width=48. May be repeated."
            | Frames _ -> "unseen frames that the result is measured on. Default 1024."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl pretrain`: makes the small CLIP that comes with the product.
[<RequireQualifiedAccess>]
module PretrainVerb =
    let private run session (arguments: ParseResults<PretrainArgument>) =
        let assignments =
            [
                yield! arguments.GetResults PretrainArgument.Set

                match arguments.TryGetResult PretrainArgument.Steps with
                | Some steps -> $"steps={steps}"
                | None -> ()
            ]

        PretrainingConfig.recipeWith assignments
        |> Result.bind (fun settings ->
            let request: PretrainingRequest =
                {
                    Settings = settings
                    Out = Path.GetFullPath(arguments.GetResult PretrainArgument.Out)
                    Seed = arguments.GetResult(PretrainArgument.Seed, defaultValue = 1UL)
                    Device = arguments.GetResult(PretrainArgument.Device, defaultValue = "cpu")
                    Frames = arguments.GetResult(PretrainArgument.Frames, defaultValue = 1024)
                }

            ProgressBar.during session (Pretrainer.pretrain (PhantomWorld.pretraining settings) request)
            |> Result.map (fun record ->
                for line in PretrainingFolder.figures record do
                    Session.say session line

                Session.say session $"Weights and card: {request.Out}"
                Session.emit session (RecordJson.toObject record)
                0))

    let verb =
        Verb.create<PretrainArgument> "pretrain" "makes a small CLIP from nothing, on rendered frames" run
