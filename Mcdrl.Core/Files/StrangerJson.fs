namespace Mcdrl

open System
open System.Collections.Generic
open System.Text
open System.Text.Json

/// How much JSON is read of a file that anyone may have written.
type JsonBounds =
    {
        /// Bytes of the text.
        MostBytes: int64
        /// Values, keys and brackets.
        MostTokens: int
        /// Objects and lists within each other.
        MostDepth: int
        /// Whether a key may be given twice in an object, because whoever reads it tells of that itself.
        Repeats: bool
    }

/// The one way to read JSON of a file that anyone may have written: within bounds that hold before memory is given to its values,
/// and with texts that are Unicode.
[<RequireQualifiedAccess>]
module StrangerJson =
    /// For files of up to 16 MiB, in which keys are given once.
    let standard: JsonBounds =
        {
            MostBytes = 16L * 1024L * 1024L
            MostTokens = 4_000_000
            MostDepth = 32
            Repeats = false
        }

    let private strict = UTF8Encoding(false, true)

    /// What stands against the text, if anything. A half of a surrogate pair can only be written as an escape, and would throw when
    /// the text is asked for.
    let private scan (bounds: JsonBounds) (text: ReadOnlyMemory<byte>) : string option =
        let mutable reader =
            Utf8JsonReader(text.Span, JsonReaderOptions(MaxDepth = bounds.MostDepth))

        let mutable tokens = 0

        try
            while tokens <= bounds.MostTokens && reader.Read() do
                tokens <- tokens + 1

                if reader.ValueIsEscaped then
                    reader.GetString() |> ignore

            if tokens > bounds.MostTokens then
                Some $"it has more than {bounds.MostTokens} values, keys and brackets"
            else
                None
        with
        | :? JsonException as problem -> Some $"it is not valid JSON: {problem.Message.TrimEnd '.'}"
        | :? InvalidOperationException ->
            Some
                $"it is not valid JSON: the text that begins at byte {reader.TokenStartIndex} has half a surrogate pair"

    /// The document of a text, or why it is refused.
    let parse (bounds: JsonBounds) (text: ReadOnlyMemory<byte>) : Result<JsonDocument, string> =
        if int64 text.Length > bounds.MostBytes then
            Error $"it has {text.Length} bytes, more than {bounds.MostBytes}"
        elif not (Unicode.Utf8.IsValid text.Span) then
            Error "it is not UTF-8"
        else
            match scan bounds text with
            | Some fault -> Error fault
            | None ->
                try
                    Ok(
                        JsonDocument.Parse(
                            text,
                            JsonDocumentOptions(
                                MaxDepth = bounds.MostDepth,
                                AllowDuplicateProperties = bounds.Repeats
                            )
                        )
                    )
                with :? JsonException as problem ->
                    Error $"it is not valid JSON: {problem.Message.TrimEnd '.'}"

    /// What `read` makes of a document. What the text lacks, or holds of another kind than `read` asks for, is refused too: `refuse`
    /// makes the error of the reason.
    let read
        (bounds: JsonBounds)
        (refuse: string -> McdrlError)
        (text: ReadOnlyMemory<byte>)
        (read: JsonElement -> Result<'a, McdrlError>)
        : Result<'a, McdrlError> =
        match parse bounds text with
        | Error reason -> Error(refuse reason)
        | Ok document ->
            use document = document

            try
                read document.RootElement
            with
            | :? InvalidOperationException as problem -> Error(refuse (problem.Message.TrimEnd '.'))
            | :? FormatException as problem -> Error(refuse (problem.Message.TrimEnd '.'))
            | :? KeyNotFoundException as problem -> Error(refuse (problem.Message.TrimEnd '.'))

    /// `read` for a text in memory.
    let readText bounds (refuse: string -> McdrlError) (text: string) read' =
        match
            (try
                Some(strict.GetBytes text)
             with :? EncoderFallbackException ->
                 None)
        with
        | Some bytes -> read bounds refuse (ReadOnlyMemory bytes) read'
        | None -> Error(refuse "it has half a surrogate pair")

    /// `read` for a file, as editors write text: UTF-8 with or without a byte order mark, or UTF-16 with one.
    let ofFile bounds (refuse: string -> McdrlError) (path: string) read' =
        Files.readText bounds.MostBytes path
        |> Result.bind (fun text -> readText bounds refuse text read')

    /// A list of texts and of nothing else.
    let texts (refuse: string -> McdrlError) (text: string) : Result<string list, McdrlError> =
        readText standard refuse text (fun root ->
            let found =
                [
                    if root.ValueKind = JsonValueKind.Array then
                        for item in root.EnumerateArray() do
                            if item.ValueKind = JsonValueKind.String then
                                yield! Option.toList (Option.ofObj (item.GetString()))
                ]

            if root.ValueKind = JsonValueKind.Array && found.Length = root.GetArrayLength() then
                Ok found
            else
                Error(refuse "it is no list of texts"))
