namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Security

/// The one safety net: around a verb, an item of a batch, an engine's answer. Whatever is thrown inside becomes an error of the
/// place, so that one bad input never ends the work on others, and no process ends in a stack trace.
[<RequireQualifiedAccess>]
module Guard =
    let private memory where =
        McdrlError.resource "there was not enough memory" where "Give a smaller input, or free memory"

    /// Where it was thrown, without the file and line of whoever built this.
    let private thrownAt (problem: exn) =
        match problem.StackTrace with
        | null -> ""
        | trace ->
            let first = (Array.head (trace.Split '\n')).Trim()
            let cut = first.IndexOf(" in ", StringComparison.Ordinal)
            $", {if cut < 0 then first else first.Substring(0, cut)}"

    /// The error that an exception stands for.
    let rec error (where: string) (problem: exn) : McdrlError =
        match problem with
        | :? OperationCanceledException -> McdrlError.Cancelled
        | :? AggregateException as several when several.InnerExceptions.Count > 0 ->
            error where several.InnerExceptions[0]
        | :? OutOfMemoryException -> memory where
        // What libtorch throws, whatever went wrong in it.
        | :? ExternalException when problem.Message.Contains("memory", StringComparison.OrdinalIgnoreCase) ->
            memory where
        | :? IOException
        | :? UnauthorizedAccessException
        | :? SecurityException -> Files.ioError where problem
        | _ ->
            McdrlError.resource
                $"a fault of Mcdrl's own: {problem.GetType().Name}: {problem.Message.TrimEnd '.'}{thrownAt problem}"
                where
                "Please report it, with the input if you may"

    /// Runs an operation on what `where` names; what it throws becomes an error.
    let run (where: string) (operation: unit -> Result<'a, McdrlError>) : Result<'a, McdrlError> =
        try
            operation ()
        with problem ->
            Error(error where problem)
