namespace Mcdrl.Cli

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
    }

[<RequireQualifiedAccess>]
module Verb =
    /// A verb whose arguments are described by an Argu union. Each verb has a parser of its own, so that
    /// `Mandatory` is enforced (in Argu's subcommands it is not).
    let create<'Argument when 'Argument :> IArgParserTemplate>
        name
        summary
        (run: Session -> ParseResults<'Argument> -> Result<int, McdrlError>)
        =
        let parser =
            lazy
                ArgumentParser.Create<'Argument>(
                    programName = $"mcdrl {name}",
                    errorHandler = ExceptionExiter(),
                    usageStringCharacterWidth = 100
                )

        {
            Name = name
            Summary = summary
            Help = fun () -> parser.Value.PrintUsage()
            Run =
                fun session arguments ->
                    try
                        parser.Value.ParseCommandLine(arguments, raiseOnUsage = false) |> Ok
                    with :? ArguParseException as problem ->
                        let first = problem.Message.Split '\n' |> Array.head
                        let reason = first.Replace("ERROR: ", "").Trim().TrimEnd '.'
                        session.Err.WriteLine(parser.Value.PrintUsage())
                        Error(McdrlError.usage reason $"mcdrl {name}" $"See `mcdrl {name} --help`")
                    |> Result.bind (run session)
        }
