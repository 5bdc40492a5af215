namespace Mcdrl.Cli

open System
open Mcdrl

/// The command line as a function: arguments in, exit code out.
[<RequireQualifiedAccess>]
module App =
    let private help (verbs: Verb list) =
        [
            "mcdrl: lesion segmentation that keeps working in a hospital the model has never seen."
            "Research software, not for clinical use."
            ""
            "Usage: mcdrl <verb> [arguments]"
            ""
            for verb in verbs do
                $"  {verb.Name, -14}{verb.Summary}"
            ""
            "Every verb takes:"
            "  --help        print its arguments"
            "  --json        print results as one JSON object per line; everything else goes to stderr"
            ""
            "  mcdrl --version prints the version."
            ""
            "Exit codes: 0 done, 1 some inputs failed, 2 wrong usage, 3 model file, 4 data,"
            "            5 resources (memory, disk, limits), 130 stopped."
        ]
        |> String.concat Environment.NewLine

    /// The verb whose words begin `arguments`, and the arguments after them.
    let private find (verbs: Verb list) (arguments: string list) =
        verbs
        |> List.tryPick (fun verb ->
            let words = verb.Name.Split ' ' |> List.ofArray

            if List.truncate words.Length arguments = words then
                Some(verb, List.skip words.Length arguments)
            else
                None)

    /// Whether the verb of a command line puts things in order when it is stopped.
    let finishes (verbs: Verb list) (arguments: string[]) =
        arguments
        |> List.ofArray
        |> List.filter ((<>) "--json")
        |> find verbs
        |> Option.exists (fun (verb, _) -> verb.Finishes)

    let private isHelp argument = argument = "--help" || argument = "-h"

    let private dispatch verbs session arguments =
        match arguments with
        | [] ->
            session.Err.WriteLine(help verbs)
            Error(McdrlError.usage "no verb given" "mcdrl" "See `mcdrl --help`")
        | first :: _ when isHelp first ->
            session.Out.WriteLine(help verbs)
            Ok 0
        | [ "--version" ] ->
            session.Out.WriteLine $"mcdrl {Product.version}"
            Ok 0
        | _ ->
            match find verbs arguments with
            | Some(verb, rest) when List.exists isHelp rest ->
                session.Out.WriteLine(verb.Help())
                Ok 0
            | Some(verb, rest) -> verb.Run session (Array.ofList rest)
            | None ->
                session.Err.WriteLine(help verbs)
                let words = arguments |> List.takeWhile (fun word -> not (word.StartsWith '-'))
                let name = words |> List.truncate 2 |> String.concat " "
                Error(McdrlError.usage $"unknown verb `{name}`" "mcdrl" "See `mcdrl --help`")

    /// Runs a command line of these verbs, which `--help` lists in their order. `--json` may stand anywhere in it. Errors become text on stderr and an exit code.
    let run (verbs: Verb list) (session: Session) (arguments: string[]) : int =
        let session =
            { session with
                Json = session.Json || Array.contains "--json" arguments
            }

        let result =
            try
                arguments
                |> Array.filter ((<>) "--json")
                |> List.ofArray
                |> dispatch verbs session
            with :? OperationCanceledException ->
                Error McdrlError.Cancelled

        match result with
        | Ok code -> code
        | Error problem ->
            Session.warn session (Flags.describe problem)
            McdrlError.exitCode problem
