namespace Mcdrl.Cli

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open System.Threading
open Mcdrl

/// What a verb gets from the command line besides its own arguments.
[<NoEquality; NoComparison>]
type Session =
    {
        /// Results as one JSON object per line on `Out`; everything meant for people goes to `Err`.
        Json: bool
        Out: TextWriter
        Err: TextWriter
        /// Whether a person watches `Err`: only then are bars drawn.
        Terminal: bool
        /// Set at the first Ctrl-C or SIGTERM.
        Cancel: CancellationToken
    }

[<RequireQualifiedAccess>]
module Session =
    let private options =
        JsonSerializerOptions(Encoder = Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    /// A line for people: on stdout, or on stderr under `--json`.
    let say session (line: string) =
        (if session.Json then session.Err else session.Out).WriteLine(Printable.text line)

    /// A line about what goes wrong, always on stderr.
    let warn session (line: string) =
        session.Err.WriteLine(Printable.text line)

    /// Says what is wrong with a command line and, below it, how it is written; the error's exit code.
    let refuse session (problem: McdrlError) (usage: string) : Result<int, McdrlError> =
        warn session (Flags.describe problem)
        session.Err.WriteLine()
        session.Err.WriteLine usage
        Ok(McdrlError.exitCode problem)

    /// A machine-readable result; written under `--json` only. Characters that a terminal would obey are escaped as JSON escapes any.
    let emit session (result: JsonObject) =
        if session.Json then
            session.Out.WriteLine(Printable.text (result.ToJsonString options))

/// JSON values in few words.
[<RequireQualifiedAccess>]
module Json =
    let text (value: string) : JsonNode | null = JsonValue.Create value
    let flag (value: bool) : JsonNode | null = JsonValue.Create value
    let whole (value: int64) : JsonNode | null = JsonValue.Create value

    /// JSON knows no infinities and no NaN; they become null.
    let number (value: float) : JsonNode | null =
        if Double.IsFinite value then
            JsonValue.Create value
        else
            null

    let array (values: (JsonNode | null) seq) : JsonNode | null = JsonArray(Array.ofSeq values)

    let object (fields: (string * (JsonNode | null)) seq) =
        let result = JsonObject()

        for name, value in fields do
            result.Add(name, value)

        result
