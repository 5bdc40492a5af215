namespace Mcdrl

open System.Text.RegularExpressions
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// One thing that is wrong with a request.
type ProblemFault =
    {
        /// What is wrong.
        What: string
        /// With which part of the request.
        Where: string
        /// What to do about it.
        Fix: string
    }

/// Why a request isn't answered: the body of every such answer, `application/problem+json` (RFC 9457).
type ProblemReport =
    {
        /// The status in words.
        Title: string
        /// The status.
        Status: int
        /// All that is wrong, a sentence each.
        Detail: string
        /// The same, one by one.
        Errors: ProblemFault list
    }

/// Refusals.
[<RequireQualifiedAccess>]
module Problem =
    /// The name of their form.
    let contentType = "application/problem+json"

    /// Whose caller has gone, as nginx tells it in logs; nobody reads it.
    let callerGone = 499

    let private titles =
        readOnlyDict
            [
                400, "Bad request"
                401, "Unauthorized"
                403, "Forbidden"
                404, "Not found"
                405, "Method not allowed"
                408, "Request timeout"
                413, "Content too large"
                415, "Unsupported media type"
                421, "Misdirected request"
                422, "Unprocessable content"
                429, "Too many requests"
                499, "Caller gone"
                500, "Internal error"
                501, "Not implemented"
                503, "Service unavailable"
            ]

    let private titleOf status =
        match titles.TryGetValue status with
        | true, title -> title
        | false, _ -> "Error"

    let private ofFaults status (faults: ProblemFault list) =
        {
            Title = titleOf status
            Status = status
            Detail =
                faults
                |> List.map (fun fault -> Printable.line $"{fault.Where}: {fault.What}. {fault.Fix}.")
                |> String.concat " "
            Errors = faults
        }

    /// A refusal of one reason.
    let create status what where fix : ProblemReport =
        ofFaults
            status
            [
                {
                    What = what
                    Where = where
                    Fix = fix
                }
            ]

    /// An error as a refusal. A setting is named as the query has it.
    let ofError (status: int) (error: McdrlError) : ProblemReport =
        let plain (text: string) =
            Regex.Replace(text, "“([a-z_]+)”", "$1")

        McdrlError.flatten error
        |> List.choose (fun error ->
            match error with
            | McdrlError.Usage fault
            | McdrlError.Model fault
            | McdrlError.Data fault
            | McdrlError.Resource fault ->
                Some
                    {
                        What = plain fault.What
                        Where = plain fault.Where
                        Fix = plain fault.Fix
                    }
            | McdrlError.Cancelled
            | McdrlError.Several _ -> None)
        |> ofFaults status

    /// What reading a request says of it.
    let ofRequest error : ProblemReport =
        let status =
            match error with
            | McdrlError.Resource _ -> 413
            | McdrlError.Data _ -> 422
            | _ -> 400

        ofError status error

    /// What computing its answer says of it: what is asked for may be nothing that the model can do, all else is the service's own.
    let ofAnswer error : ProblemReport =
        match error with
        | McdrlError.Usage _ -> ofError 400 error
        | _ -> ofError 500 error

    /// Answers a request with a refusal.
    let write (context: HttpContext) (problem: ProblemReport) : Task =
        if context.Response.HasStarted then
            context.Abort()
            Task.CompletedTask
        else
            context.Response.StatusCode <- problem.Status
            context.Response.ContentType <- contentType
            context.Response.WriteAsync(RecordJson.render problem)
