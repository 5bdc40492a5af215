namespace Mcdrl.Cli

open System
open Mcdrl

/// Which part of the work a process does, by `--parts` and `--part` or by what schedulers tell their tasks.
[<RequireQualifiedAccess>]
module PartOfRun =
    /// Help of `--parts`.
    let partsUsage =
        "divide the work into this many parts, of which this process does one. They may run at once, on any machines that share a file system."

    /// Help of `--part`.
    let partUsage =
        "which part, counted from 0. Default: what SLURM_ARRAY_TASK_ID says, else JOB_COMPLETION_INDEX (Kubernetes)."

    /// Set by schedulers, for each task of a Slurm array and each pod of an Indexed Job.
    let private variables = [ "SLURM_ARRAY_TASK_ID"; "JOB_COMPLETION_INDEX" ]

    let private numbered (variable: string, text: string) =
        match Int32.TryParse text with
        | true, number -> Ok number
        | false, _ ->
            Error(McdrlError.usage $"{text} is no whole number" variable "Set it to a number, or give --part")

    /// The part that is asked for, `None` where none is. What schedulers say, by the values of variables, counts where `parts` is given
    /// alone.
    let chosen
        (valueOf: string -> string option)
        (parts: int option)
        (part: int option)
        : Result<Part option, McdrlError> =
        let told =
            variables
            |> List.tryPick (fun variable -> valueOf variable |> Option.map (fun text -> variable, text))

        match parts, part, told with
        | None, None, _ -> Ok None
        | None, Some _, _ ->
            Error(McdrlError.usage "it goes with --parts" "--part" "Say how many parts there are, too")
        | Some parts, Some part, _ -> Part.create parts part |> Result.map Some
        | Some parts, None, Some(variable, text) ->
            numbered (variable, text)
            |> Result.bind (fun part ->
                Part.create parts part
                |> Result.mapError (
                    McdrlError.mapWhere (fun where ->
                        if where = "“part”" then
                            $"{variable}, in place of --part"
                        else
                            where)
                ))
            |> Result.map Some
        | Some 1, None, None -> Ok(Some Part.whole)
        | Some _, None, None ->
            let named = String.concat " nor " variables

            Error(
                McdrlError.usage
                    $"neither --part nor {named} says which part"
                    "--parts"
                    "Give --part, counted from 0"
            )

    let private environment (variable: string) =
        Environment.GetEnvironmentVariable variable
        |> Option.ofObj
        |> Option.filter ((<>) "")

    /// `chosen` by the variables of this process.
    let ofFlags parts part = chosen environment parts part
