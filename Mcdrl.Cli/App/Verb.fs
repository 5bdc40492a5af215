namespace Mcdrl.Cli

open System
open Argu
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
        /// Parses the arguments after the name and runs; an `Ok` holds the exit code: 0, 1, or 4 where
        /// the verb itself reports on data.
        Run: Session -> string[] -> Result<int, McdrlError>
        /// Whether it puts things in order when it is stopped, such as a checkpoint, and is given the time. The others are ended a
        /// second after the signal at the latest.
        Finishes: bool
    }

[<RequireQualifiedAccess>]
module Verb =
    /// The first flag that a parser doesn't have. Argu itself takes an unknown flag for a path where a verb takes
    /// paths.
    let private unknownFlag (parser: ArgumentParser<'Argument>) (arguments: string[]) =
        let known =
            parser.GetArgumentCases()
            |> List.collect (fun case -> List.ofSeq case.CommandLineNames.Value)

        arguments
        |> Array.map (fun argument -> argument.Split('=')[0])
        |> Array.tryFind (fun name ->
            name.StartsWith("--", StringComparison.Ordinal)
            && not (List.contains name known))

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
            Finishes = false
            Run =
                fun session arguments ->
                    let parser = parser false

                    let refused reason =
                        session.Err.WriteLine(parser.PrintUsage())
                        Error(McdrlError.usage reason $"mcdrl {name}" $"See `mcdrl {name} --help`")

                    match unknownFlag parser arguments with
                    | Some flag -> refused $"unrecognized argument: '{flag}'"
                    | None ->
                        try
                            parser.ParseCommandLine(arguments, raiseOnUsage = false) |> Ok
                        with :? ArguParseException as problem ->
                            let first = problem.Message.Split '\n' |> Array.head
                            refused (first.Replace("ERROR: ", "").Trim().TrimEnd '.')
                        |> Result.bind (run session)
        }

    /// The verb, given the time to put things in order when it is stopped.
    let finishing (verb: Verb) = { verb with Finishes = true }
