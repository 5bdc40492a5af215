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
            "  --            ends the options: what follows are paths, also those that begin with a dash"
            ""
            "  mcdrl --version             prints the version"
            "  mcdrl help <verb>           prints its arguments, as mcdrl <verb> --help does"
            "  mcdrl completion <shell>    prints a script that completes the command in bash, zsh or pwsh"
            ""
            "Exit codes: 0 done, 1 some inputs failed, 2 wrong usage, 3 model file, 4 data,"
            "            5 resources (memory, disk, limits; output that can't be written), 130 stopped."
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

    let private isHelp argument = argument = "--help" || argument = "-h"

    /// What stands before the `--` that ends the options.
    let private options arguments = arguments |> List.takeWhile ((<>) "--")

    /// The verbs whose first word this is, of several.
    let private group (verbs: Verb list) (word: string) =
        verbs
        |> List.filter (fun verb -> verb.Name.StartsWith(word + " ", StringComparison.Ordinal))

    let private usage (verbs: Verb list) =
        let names = verbs |> List.map _.Name |> String.concat ", "
        $"Usage: mcdrl <verb> [arguments]{Environment.NewLine}Verbs: {names}"

    let private unknown verbs session (arguments: string list) =
        let refused what where hint =
            Session.refuse session (McdrlError.usage what where $"{hint}See `mcdrl --help`") (usage verbs)

        match arguments |> List.takeWhile (fun word -> not (word.StartsWith '-')) with
        | [] ->
            let options = [ "--help"; "--version"; "--json" ]

            refused "a verb comes first" $"mcdrl {arguments.Head}" (Spelling.hint options arguments.Head)
        | [ first ] when not (group verbs first).IsEmpty ->
            let names = group verbs first |> List.map _.Name |> String.concat ", "
            refused "a second word follows" $"mcdrl {first}" $"Say {names}. "
        | words ->
            let name = words |> List.truncate 2 |> String.concat " "
            let known = (verbs |> List.map _.Name) @ Completion.builtIn

            let near =
                [ name; words.Head ]
                |> List.map (Spelling.hint known)
                |> List.tryFind ((<>) "")
                |> Option.defaultValue ""

            refused $"unknown verb `{name}`" "mcdrl" near

    let rec private dispatch verbs session arguments =
        match arguments with
        | [] ->
            Session.refuse
                session
                (McdrlError.usage "no verb given" "mcdrl" "See `mcdrl --help`")
                (help verbs)
        | [ "help" ] -> dispatch verbs session [ "--help" ]
        | "help" :: verb when not (List.exists isHelp verb) -> dispatch verbs session (verb @ [ "--help" ])
        | [ "completion"; shell ] when not (isHelp shell) ->
            Completion.script verbs shell
            |> Result.map (fun script ->
                session.Out.WriteLine script
                0)
        | "completion" :: rest when not (List.exists isHelp rest) ->
            let shells = String.concat ", " Completion.shells
            Error(McdrlError.usage "a shell follows" "mcdrl completion" $"Name one of {shells}")
        | first :: _ when isHelp first || first = "help" || first = "completion" ->
            session.Out.WriteLine(help verbs)
            Ok 0
        | [ "--version" ] ->
            session.Out.WriteLine $"mcdrl {Product.version}"
            Ok 0
        | first :: rest ->
            match find verbs arguments, group verbs first with
            | Some(verb, rest), _ when List.exists isHelp (options rest) ->
                session.Out.WriteLine(verb.Help())
                Ok 0
            | Some(verb, rest), _ -> verb.Run session (Array.ofList rest)
            | None, (_ :: _ as verbs) when List.exists isHelp (options rest) ->
                for verb in verbs do
                    session.Out.WriteLine(verb.Help())

                Ok 0
            | None, _ -> unknown verbs session arguments

    /// Resources: of the answers or of the words about them a part is lost.
    let private lost = 5

    /// EPIPE: who read from a pipe has read enough, as `head` does.
    let private readEnough = 32

    /// What is lost of the output, if anything. Lines for people may be left unread; results under `--json` may not.
    let private lostOf (session: Session) (out: Outlet) =
        out.Failure
        |> Option.filter (fun problem -> session.Json || problem.HResult <> readEnough)

    /// The exit code when some of the output could not be written.
    let private withOutput session (out: Outlet) (err: Outlet) code =
        let failure = lostOf session out

        failure
        |> Option.iter (fun problem ->
            err.WriteLine
                $"standard output: not everything could be written: {problem.Message.TrimEnd '.'}. What was asked for is done all the same; the files are whole.")

        if code < 2 && (failure.IsSome || err.Failure.IsSome) then
            lost
        else
            code

    /// Runs a command line of these verbs, which `--help` lists in their order. `--json` may stand anywhere in it. Errors become text on stderr and an exit code:
    /// one of those that `--help` lists, whatever happens. Output that can't be written stops nothing, and is told at the end.
    let run (verbs: Verb list) (session: Session) (arguments: string[]) : int =
        let options, rest =
            let before = arguments |> Array.takeWhile ((<>) "--")
            before, arguments[before.Length ..]

        let out, err = Outlet.over session.Out, Outlet.over session.Err

        let session =
            { session with
                Json = session.Json || Array.contains "--json" options
                Out = out
                Err = err
            }

        let result =
            Guard.run "mcdrl" (fun () ->
                Array.append (Array.filter ((<>) "--json") options) rest
                |> List.ofArray
                |> dispatch verbs session)

        match result with
        | Ok code -> code
        | Error problem ->
            Session.warn session (Flags.describe problem)
            McdrlError.exitCode problem
        |> withOutput session out err
