namespace Mcdrl

open System
open System.Buffers
open System.IO
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.WebUtilities
open Microsoft.Net.Http.Headers

/// The bodies that callers send, read into memory: each up to `most` bytes and within `patience`, all that are held at the same time up to `mostHeld`.
/// What a caller only announces takes no memory.
[<Sealed>]
type Bodies(most: int64, mostHeld: int64, patience: TimeSpan) =
    let mutable held = 0L

    let tooLarge =
        Error(Problem.create 413 $"the body has more than {most} bytes" "the body" "Send a smaller image")

    let full =
        Error(
            Problem.create
                429
                "too many large bodies are being sent at the same time"
                "the service"
                "Send it again after the seconds that Retry-After says"
        )

    let slow =
        Error(
            Problem.create
                408
                $"the body did not arrive within {patience.TotalSeconds} s"
                "the body"
                "Send it again over a faster line"
        )

    /// Bytes that are held.
    member _.Held = Volatile.Read &held

    /// The body of a request, handed to `use'`, and forgotten afterwards.
    member _.Reading
        (context: HttpContext)
        (use': byte[] -> Task<Result<'a, ProblemReport>>)
        : Task<Result<'a, ProblemReport>> =
        task {
            let request = context.Request

            use deadline =
                CancellationTokenSource.CreateLinkedTokenSource context.RequestAborted

            deadline.CancelAfter patience
            use gathered = new MemoryStream()
            let buffer = ArrayPool.Shared.Rent(64 * 1024)
            let mutable own = 0L
            let mutable outcome = slow
            let mutable isReading = true

            try
                try
                    if request.ContentLength.HasValue && request.ContentLength.Value > most then
                        outcome <- tooLarge
                        isReading <- false

                    while isReading do
                        let! count = request.Body.ReadAsync(buffer.AsMemory(), deadline.Token)
                        own <- own + int64 count
                        let all = Interlocked.Add(&held, int64 count)

                        if count > 0 && own <= most && all <= mostHeld then
                            gathered.Write(buffer, 0, count)
                        else
                            isReading <- false

                            outcome <-
                                if own > most then tooLarge
                                elif all > mostHeld then full
                                else Ok(gathered.ToArray())
                with
                | :? OperationCanceledException when not context.RequestAborted.IsCancellationRequested ->
                    outcome <- slow
                | :? BadHttpRequestException as problem ->
                    outcome <-
                        if problem.StatusCode = 408 then
                            slow
                        else
                            Error(
                                Problem.create
                                    problem.StatusCode
                                    (problem.Message.TrimEnd '.')
                                    "the body"
                                    "Send it whole"
                            )

                ArrayPool.Shared.Return buffer
                gathered.SetLength 0L
                gathered.Capacity <- 0

                match outcome with
                | Ok bytes -> return! use' bytes
                | Error problem -> return Error problem
            finally
                Interlocked.Add(&held, -own) |> ignore
        }

/// An image that a caller sent.
type SentImage =
    {
        /// The file's bytes.
        Bytes: byte[]
        /// What the caller's file is called, if it said so.
        Name: string option
    }

/// The image in a body.
[<RequireQualifiedAccess>]
module SentImage =
    let private none =
        Error(
            Problem.create
                400
                "the form has no part that is a file"
                "the body"
                "Send the image as a part with a filename, as `curl -F image=@frame.png` does, or as the whole body"
        )

    let rec private firstFile (reader: MultipartReader) =
        task {
            match! reader.ReadNextSectionAsync() with
            | null -> return none
            | section ->
                match section.GetContentDispositionHeader() with
                | null -> return! firstFile reader
                | disposition when disposition.IsFileDisposition() ->
                    use memory = new MemoryStream()
                    do! section.Body.CopyToAsync memory

                    let name =
                        if disposition.FileNameStar.HasValue then
                            disposition.FileNameStar
                        else
                            disposition.FileName

                    return
                        Ok
                            {
                                Bytes = memory.ToArray()
                                Name = name.ToString().Trim '"' |> Some
                            }
                | _ -> return! firstFile reader
        }

    /// The body itself, or the first file of a form (`multipart/form-data`).
    let ofBody (contentType: string | null) (body: byte[]) : Task<Result<SentImage, ProblemReport>> =
        task {
            match MediaTypeHeaderValue.TryParse contentType with
            | true, media when
                (nonNull media).MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
                ->
                let boundary = HeaderUtilities.RemoveQuotes((nonNull media).Boundary).ToString()

                try
                    return! firstFile (MultipartReader(boundary, new MemoryStream(body)))
                with
                | :? IOException
                | :? ArgumentException
                | :? InvalidDataException ->
                    return Error(Problem.create 400 "the form is damaged" "the body" "Send it whole")
            | _ when body.Length = 0 ->
                return
                    Error(
                        Problem.create
                            400
                            "the body is empty"
                            "the body"
                            "Send an image file, as `curl --data-binary @frame.png` does"
                    )
            | _ -> return Ok { Bytes = body; Name = None }
        }
