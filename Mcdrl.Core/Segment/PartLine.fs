namespace Mcdrl

open System
open System.Text.Json
open System.Text.Json.Nodes

/// What is told of an image of a list, a line of JSON. It holds no time and no path of the machine, so that it depends on image, model and
/// settings alone.
type PartLine =
    {
        /// Below the root.
        Path: string
        /// Why it could not be segmented.
        Error: string option
        /// Of the image's file, where it could be read.
        Sha256: string option
        /// Bytes of the image's file.
        Size: int64 option
        /// What `segment` reports of it.
        Report: ImageReport option
    }

/// Lines of parts as text. What is asked of a line that was written earlier is how it begins.
[<RequireQualifiedAccess>]
module PartLine =
    /// Bytes that a line may have: the outlines of a picture full of specks.
    let longest = 256 * 1024 * 1024

    let private options =
        JsonSerializerOptions(Encoder = Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    let private textOf (found: JsonObject) =
        Printable.text (found.ToJsonString options)

    /// The line, without a line feed.
    let render (line: PartLine) : string = textOf (RecordJson.toObject line)

    let private text (value: string) : JsonNode | null = JsonValue.Create value

    let private beginning (fields: (string * (JsonNode | null)) list) =
        let found = JsonObject()

        for key, value in fields do
            found.Add(key, value)

        (textOf found).TrimEnd '}' + ","

    /// Whether a line is about the image at this path.
    let isOf (path: string) (line: string) : bool =
        line.StartsWith(beginning [ "path", text path ], StringComparison.Ordinal)

    let private segmented path =
        beginning [ "path", text path; "error", null ]

    /// Whether a line about the image at this path tells an answer, and no error.
    let isAnswer (path: string) (line: string) : bool =
        line.StartsWith(segmented path, StringComparison.Ordinal)

    let private isWhole (line: string) =
        try
            use _parsed = JsonDocument.Parse line
            true
        with :? JsonException ->
            false

    /// Whether a line is whole and tells the answer about this image, whose file had these bytes.
    let answers (path: string) (sha256: string) (size: int64) (line: string) : bool =
        let start =
            beginning
                [
                    "path", text path
                    "error", null
                    "sha256", text sha256
                    "size", JsonValue.Create size
                ]

        line.StartsWith(start, StringComparison.Ordinal) && isWhole line
