namespace Mcdrl

open System.Text.Json.Nodes
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// The body of an answer.
type Content =
    {
        /// Its form.
        Type: string
        /// Its bytes.
        Bytes: byte[]
        /// Headers that go with it.
        Headers: (string * string) list
    }

/// Bodies of answers.
[<RequireQualifiedAccess>]
module Content =
    /// JSON text.
    let json (text: string) : Content =
        {
            Type = "application/json"
            Bytes = System.Text.Encoding.UTF8.GetBytes text
            Headers = []
        }

    /// A record as JSON.
    let ofRecord (record: 'T) : Content = json (RecordJson.render record)

    /// A PNG file.
    let png (bytes: byte[]) : Content =
        {
            Type = "image/png"
            Bytes = bytes
            Headers = []
        }

    /// Answers a request with it.
    let write (context: HttpContext) (status: int) (content: Content) : Task =
        let response = context.Response
        response.StatusCode <- status
        response.ContentType <- content.Type
        response.ContentLength <- content.Bytes.LongLength

        for name, value in content.Headers do
            response.Headers[name] <- value

        response.Body.WriteAsync(content.Bytes, 0, content.Bytes.Length)

/// A parameter of a request, as its query has it.
[<NoComparison>]
type QueryParameter =
    {
        /// As it is written.
        Name: string
        /// What it decides.
        Description: string
        /// JSON schema of its value.
        Schema: JsonObject
    }

/// An answer that an endpoint may give.
[<NoComparison>]
type PossibleAnswer =
    {
        /// The HTTP status.
        Status: int
        /// When it is given.
        Description: string
        /// Its forms, each with the JSON schema of what it holds.
        Forms: (string * JsonObject) list
    }

/// An address of the service: what OpenAPI tells of it, and what answers there.
[<NoComparison; NoEquality>]
type ServeEndpoint =
    {
        /// `GET` or `POST`.
        Method: string
        /// Its path; parts that vary stand in braces.
        Path: string
        /// What it is for, a few words.
        Summary: string
        /// How it is used.
        Description: string
        /// What its query may hold.
        Query: QueryParameter list
        /// The forms of its body, each with a JSON schema; none without a body.
        Body: (string * JsonObject) list
        /// What it answers besides refusals that all share.
        Answers: PossibleAnswer list
        /// Whether it answers without a token.
        IsOpen: bool
        /// Answers a request.
        Handle: HttpContext -> Task
    }

/// JSON schemas in few words.
[<RequireQualifiedAccess>]
module Schema =
    /// A schema written as JSON.
    let ofText (json: string) : JsonObject =
        JsonNode.Parse json |> nonNull |> _.AsObject()

    /// Bytes of a file.
    let binary () =
        ofText """{ "type": "string", "format": "binary" }"""

    /// A text that is one of some.
    let oneOf (words: string list) =
        let listed = words |> List.map (sprintf "\"%s\"") |> String.concat ", "
        ofText $"""{{ "type": "string", "enum": [{listed}] }}"""
