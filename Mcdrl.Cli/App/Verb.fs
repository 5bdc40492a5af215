namespace Mcdrl.Cli

open System
open Argu
open Microsoft.FSharp.Reflection
open Mcdrl

/// One command of `mcdrl`: its words, its help, and what it does.
[<NoEquality; NoComparison>]
type Verb =
    {
        /// The words that call it, e.g. `doctor` or `data check`.
        Name: string
        /// One line for `mcdrl --help`.
        Summary: string
        /// Text of `mcdrl <name> --help`.
        Help: unit -> string
        /// Its options, each with what its help says of it.
        Options: unit -> (string * string) list
        /// Parses the arguments after the name and runs; an `Ok` holds the exit code: 0, 1, or 4 where
        /// the verb itself reports on data.
        Run: Session -> string[] -> Result<int, McdrlError>
    }

[<RequireQualifiedAccess>]
module Verb =
    let private isFlag (argument: string) =
        argument.StartsWith("--", StringComparison.Ordinal)

    /// The arguments with every `--flag=value` as two, and, of what follows `--`, whatever begins with a dash as the path that it is.
    let private separated (arguments: string[]) =
        let options = arguments |> Array.takeWhile ((<>) "--")

        let pathOf (argument: string) =
            if argument.StartsWith '-' then
                "./" + argument
            else
                argument

        [|
            for argument in options do
                match argument.IndexOf '=' with
                | at when at > 0 && isFlag argument ->
                    argument[.. at - 1]
                    argument[at + 1 ..]
                | _ -> argument
            yield! arguments[options.Length + 1 ..] |> Array.map pathOf
        |]

    let private flagsOf (parser: ArgumentParser<'Argument>) =
        parser.GetArgumentCases()
        |> List.collect (fun case -> List.ofSeq case.CommandLineNames.Value)

    let private optionsOf (parser: ArgumentParser<'Argument>) =
        parser.GetArgumentCases()
        |> List.collect (fun case ->
            [
                for name in case.CommandLineNames.Value do
                    if isFlag name then
                        name, case.Description.Value
            ])

    /// The line of a verb's help that says how it is called.
    let private synopsis (help: string) =
        help.Split '\n'
        |> Array.takeWhile (fun line -> line.Trim() <> "")
        |> String.concat "\n"

    /// The flag that may be meant: the one that begins so, or one that is spelt much so.
    let private meant (known: string list) (flag: string) =
        match
            known
            |> List.filter (fun name -> name.StartsWith(flag, StringComparison.Ordinal))
        with
        | [ only ] -> Spelling.hint [ only ] only
        | _ -> Spelling.hint known flag

    /// The first flag that a parser doesn't have. Argu itself takes an unknown flag for a path where a verb takes
    /// paths.
    let private unknownFlag known (arguments: string[]) =
        arguments
        |> Array.tryFind (fun argument -> isFlag argument && not (List.contains argument known))

    /// The first argument without a letter, as a script passes whose variable isn't set: named by the flag before it.
    let private emptyArgument name known (arguments: string[]) =
        arguments
        |> Array.tryFindIndex ((=) "")
        |> Option.map (fun index ->
            let before = if index = 0 then "" else arguments[index - 1]

            if List.contains before known then
                before
            else
                $"mcdrl {name}")

    /// The first number with a comma, and its flag: Argu reads past a comma, so that `0,1` would be 1.
    let private commaNumber (parser: ArgumentParser<'Argument>) (arguments: string[]) =
        let numbers =
            Seq.zip (FSharpType.GetUnionCases typeof<'Argument>) (parser.GetArgumentCases())
            |> Seq.filter (fun (case, _) ->
                case.GetFields()
                |> Array.exists (fun field -> field.PropertyType = typeof<float>))
            |> Seq.collect (fun (_, found) -> found.CommandLineNames.Value)
            |> List.ofSeq

        arguments
        |> Array.pairwise
        |> Array.tryFind (fun (flag, value) -> List.contains flag numbers && value.Contains ',')

    /// What the text of an argument says, `None` where it is absent. A fault names the argument too.
    let valueOf (flag: string) parse (text: string option) : Result<'Value option, McdrlError> =
        match text with
        | None -> Ok None
        | Some text ->
            parse text
            |> Result.map Some
            |> Result.mapError (McdrlError.mapWhere (fun value -> $"{flag} {value}"))

    /// A verb whose arguments are described by an Argu union. Each verb has a parser of its own, so that
    /// `Mandatory` is enforced (in Argu's subcommands it is not).
    let create<'Argument when 'Argument :> IArgParserTemplate>
        name
        summary
        (run: Session -> ParseResults<'Argument> -> Result<int, McdrlError>)
        =
        // Whether a union is one that Argu can take doesn't change from run to run: asking for help is what checks it.
        let parser check =
            ArgumentParser.Create<'Argument>(
                programName = $"mcdrl {name}",
                errorHandler = ExceptionExiter(),
                usageStringCharacterWidth = 100,
                checkStructure = check
            )

        {
            Name = name
            Summary = summary
            Help = fun () -> (parser true).PrintUsage()
            Options = fun () -> optionsOf (parser false)
            Run =
                fun session arguments ->
                    let parser = parser false
                    let known = flagsOf parser
                    let arguments = separated arguments

                    let refused reason hint =
                        Session.refuse
                            session
                            (McdrlError.usage reason $"mcdrl {name}" $"{hint}See `mcdrl {name} --help`")
                            (synopsis (parser.PrintUsage()))

                    match
                        unknownFlag known arguments,
                        emptyArgument name known arguments,
                        commaNumber parser arguments
                    with
                    | Some flag, _, _ ->
                        refused $"unrecognized argument: '{flag}'" (meant (List.filter isFlag known) flag)
                    | None, None, Some(flag, value) ->
                        Error(
                            McdrlError.usage
                                "a number is written without a comma here"
                                $"{flag} {value}"
                                "Write it with a point, e.g. 0.5"
                        )
                    | None, Some where, _ ->
                        Error(
                            McdrlError.usage
                                "it is given an empty text"
                                where
                                "Name what is meant; a variable of the script may be unset"
                        )
                    | None, None, None ->
                        let parsed =
                            try
                                parser.ParseCommandLine(arguments, raiseOnUsage = false) |> Ok
                            with :? ArguParseException as problem ->
                                let first = problem.Message.Split '\n' |> Array.head
                                Error(first.Replace("ERROR: ", "").Trim().TrimEnd '.')

                        match parsed with
                        | Ok parsed -> run session parsed
                        | Error reason -> refused reason ""
        }
