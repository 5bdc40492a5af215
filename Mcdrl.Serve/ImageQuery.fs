namespace Mcdrl

open System
open System.Globalization
open FsToolkit.ErrorHandling
open Microsoft.AspNetCore.Http

/// What is asked about an image.
type ImageQuery =
    {
        /// How to intervene; `None` for the model's own way.
        Mode: Marginalisation option
        /// Which pixels to mark.
        Marking: Marking
        /// What to answer with, in the order asked for.
        Outputs: string list
        /// What the image is called.
        Name: string option
    }

/// Reads queries: of a key that isn't known nothing is made.
[<RequireQualifiedAccess>]
module ImageQuery =
    let private wrong what where fix = Error(McdrlError.usage what where fix)

    let private once (query: IQueryCollection) (key: string) : Result<string option, McdrlError> =
        let values = query[key]

        match values.Count with
        | 0 -> Ok None
        | 1 -> Ok(Option.ofObj values[0])
        | _ -> wrong "it is given more than once" key "Give it once"

    let private number key (parse: string -> bool * 'number) (text: string option) =
        match text with
        | None -> Ok None
        | Some text ->
            match parse text with
            | true, value -> Ok(Some value)
            | false, _ -> wrong "it is not a number" $"{key}={text}" "Write it with digits and a point"

    let private decimal' (text: string) =
        Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture)

    let private whole (text: string) =
        Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)

    /// A mode by name, one of those that may be asked for.
    let mode (modes: Marginalisation list) (name: string) : Result<Marginalisation, McdrlError> =
        match modes |> List.tryFind (fun mode -> Marginalisation.name mode = name) with
        | Some mode -> Ok mode
        | None ->
            let known = modes |> List.map Marginalisation.name

            wrong
                "the model has no such mode"
                $"mode={name}"
                $"""{Spelling.hint known name}Choose one of {String.concat ", " known}"""

    /// Which pixels to mark, from the texts of a threshold and a smallest area.
    let marking threshold minArea : Result<Marking, McdrlError> =
        result {
            let! threshold = number "threshold" decimal' threshold
            let! minArea = number "min_area" whole minArea
            return! Marking.create threshold (Option.defaultValue 0L minArea)
        }

    let private outputs known (text: string) =
        text.Split(',', StringSplitOptions.TrimEntries ||| StringSplitOptions.RemoveEmptyEntries)
        |> List.ofArray
        |> List.collect (fun word -> if word = "both" then [ "json"; "mask" ] else [ word ])
        |> List.distinct
        |> List.traverseResultA (fun word ->
            if List.contains word known then
                Ok word
            else
                wrong
                    "there is no such output"
                    $"output={word}"
                    $"""{Spelling.hint known word}Choose of {String.concat ", " known}""")
        |> Result.mapError (fun faults -> McdrlError.Several(faults.Head, faults.Tail))

    /// The keys of a query about an image.
    let keys = [ "mode"; "threshold"; "min_area"; "output"; "name" ]

    /// Refuses keys that an endpoint doesn't know.
    let requireKnown known (query: IQueryCollection) : Result<unit, McdrlError> =
        match query.Keys |> Seq.tryFind (fun key -> not (List.contains key known)) with
        | None -> Ok()
        | Some key ->
            let listed =
                if known.IsEmpty then
                    "Leave it out"
                else
                    $"""Use only {String.concat ", " known}"""

            wrong "the parameter is unknown" key $"{Spelling.hint known key}{listed}"

    /// What a query asks of a model with these modes, by one or several of these outputs, of which the first is the default.
    let read
        (modes: Marginalisation list)
        (known: string list)
        (query: IQueryCollection)
        : Result<ImageQuery, McdrlError> =
        result {
            do! requireKnown keys query
            let! named = once query "mode"
            let! mode = named |> Option.traverseResult (mode modes)
            let! threshold = once query "threshold"
            let! minArea = once query "min_area"
            let! marking = marking threshold minArea
            let! asked = once query "output"
            let! outputs = outputs known (Option.defaultValue known.Head asked)
            let! name = once query "name"

            return
                {
                    Mode = mode
                    Marking = marking
                    Outputs = (if outputs.IsEmpty then [ known.Head ] else outputs)
                    Name = name
                }
        }
