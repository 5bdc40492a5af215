namespace Mcdrl

open System
open System.IO
open System.Reflection
open System.Text.Json
open System.Text.Json.Nodes

/// Where training settings come from: a preset file of the product or the user's own, then `--set key=value`.
[<RequireQualifiedAccess>]
module Config =
    /// The presets that come with the product: `paper` (as published, gaps filled), `best` (what we recommend) and
    /// `demo` (small and quick, what `mcdrl study` trains with).
    let presets = [ "paper"; "best"; "demo" ]

    let private presetText (name: string) =
        match Assembly.GetExecutingAssembly().GetManifestResourceStream $"Mcdrl.presets.{name}.json" with
        | null ->
            let known = String.concat ", " presets
            Error(McdrlError.usage "there is no such preset" $"“preset” {name}" $"Choose one of {known}")
        | stream ->
            use reader = new StreamReader(stream)
            Ok(reader.ReadToEnd())

    /// Bytes.
    let private largest = 1_000_000L

    /// Whatever is wrong with a configuration file is a fault of the call.
    let private asUsage error =
        match error with
        | McdrlError.Data fault
        | McdrlError.Resource fault -> McdrlError.Usage fault
        | other -> other

    let private fileText path =
        if not (Path.Exists path) then
            Error(McdrlError.usage "the file does not exist" path "Name a configuration file")
        else
            Files.readText largest path
            |> Result.mapError asUsage
            |> Result.map (fun text ->
                // Lines that begin with // are comments; others keep their numbers.
                text.Split '\n'
                |> Array.map (fun line ->
                    if line.TrimStart().StartsWith("//", StringComparison.Ordinal) then
                        ""
                    else
                        line)
                |> String.concat "\n")

    /// The value of `--set key=value`: JSON where it is JSON (`0.5`, `true`, `["blur"]`), otherwise a text.
    let private literal (text: string) : JsonNode | null =
        let refuse what = McdrlError.usage what text "Correct it"

        match StrangerJson.readText StrangerJson.standard refuse text (fun root -> Ok(root.GetRawText())) with
        | Ok json -> JsonNode.Parse json
        | Error _ -> JsonValue.Create text

    let private assign (root: JsonObject) (assignment: string) : Result<unit, McdrlError> =
        let unknown () =
            Error(
                McdrlError.usage
                    "no such setting"
                    $"“set” {assignment}"
                    $"{Spelling.hint SettingKeys.names (assignment.Split('=').[0])}Give a key with dots, for instance “set” method.alpha=0.25; `mcdrl settings` lists them"
            )

        match assignment.IndexOf '=' with
        | -1 -> Error(McdrlError.usage "there is no value" $"“set” {assignment}" "Write it as key=value")
        | cut ->
            let keys = assignment[.. cut - 1].Split '.' |> List.ofArray

            let rec enter (node: JsonObject) keys =
                match keys with
                | [ last ] when node.ContainsKey last ->
                    node[last] <- literal assignment[cut + 1 ..]
                    Ok()
                | key :: rest when not rest.IsEmpty ->
                    match node[key] with
                    | :? JsonObject as inner -> enter inner rest
                    | _ -> unknown ()
                | _ -> unknown ()

            enter root keys

    let private collect results =
        results
        |> List.choose (function
            | Ok() -> None
            | Error fault -> Some fault)
        |> McdrlError.ofList

    /// Settings of any kind from JSON text with assignments `key=value` on top, checked by `validate`. `origin` names the text in
    /// errors.
    let build<'T> (validate: 'T -> Result<'T, McdrlError>) origin (text: string) assignments =
        RecordJson.parse<'T> origin text
        |> Result.bind (fun settings ->
            let root = RecordJson.toObject settings

            match assignments |> List.map (assign root) |> collect with
            | Some fault -> Error fault
            | None -> RecordJson.parse<'T> "“set”" (root.ToJsonString()))
        |> Result.bind validate

    /// A preset with assignments `key=value` on top.
    let ofPreset name assignments =
        presetText name
        |> Result.bind (fun text -> build Settings.validate $"preset {name}" text assignments)

    /// A complete configuration file, in which lines that begin with `//` are comments, with assignments on top.
    let ofFile path assignments =
        fileText path
        |> Result.bind (fun text -> build Settings.validate path text assignments)

    /// Settings with assignments on top.
    let ofSettings (settings: Settings) assignments =
        build Settings.validate "the model's settings" (RecordJson.render settings) assignments

    /// The configuration file or the preset that `call` names, `fallback` where it names neither, with assignments on top.
    let chosen (call: string) (file: string option) (preset: string option) fallback assignments =
        match file, preset with
        | Some _, Some _ ->
            Error(McdrlError.usage "“config” and “preset” are both given" call "Give one of them")
        | Some file, None -> ofFile file assignments
        | None, preset -> ofPreset (Option.defaultValue fallback preset) assignments
