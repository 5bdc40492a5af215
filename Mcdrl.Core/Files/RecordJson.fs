namespace Mcdrl

open System
open System.Collections.Generic
open System.Text
open System.Text.Encodings.Web
open System.Text.Json
open System.Text.Json.Nodes
open FSharp.Reflection

/// F# records as JSON objects and back. Keys are the field names in snake case, unions without fields are texts in
/// kebab case, an absent option is `null` or has no key. Reading is strict: unknown, missing and repeated keys and wrong
/// types are errors, all reported at once, each with its key path.
[<RequireQualifiedAccess>]
module RecordJson =
    let private dashed (separator: char) (name: string) =
        let text = StringBuilder()

        name
        |> Seq.iteri (fun index letter ->
            if Char.IsUpper letter && index > 0 then
                text.Append separator |> ignore

            text.Append(Char.ToLowerInvariant letter) |> ignore)

        text.ToString()

    let private keyOf (field: Reflection.PropertyInfo) = dashed '_' field.Name

    let private is (definition: Type) (kind: Type) =
        kind.IsGenericType && kind.GetGenericTypeDefinition() = definition

    let private itemOf (kind: Type) = kind.GetGenericArguments()[0]

    let private isRecordMap kind =
        is typedefof<Map<_, _>> kind && itemOf kind = typeof<string>

    let rec private toNode (kind: Type) (value: objnull) : JsonNode | null =
        match value with
        | null -> null
        | :? string as text -> JsonValue.Create text
        | :? bool as flag -> JsonValue.Create flag
        | :? int as number -> JsonValue.Create number
        | :? int64 as number -> JsonValue.Create number
        | :? uint64 as number -> JsonValue.Create number
        | :? float as number when Double.IsNaN number -> null
        | :? float as number -> JsonValue.Create number
        | _ when FSharpType.IsRecord(kind, true) ->
            let result = JsonObject()

            for field in FSharpType.GetRecordFields(kind, true) do
                result.Add(keyOf field, toNode field.PropertyType (field.GetValue value))

            result
        | _ when is typedefof<list<_>> kind ->
            JsonArray
                [|
                    for item in (nonNull value :?> Collections.IEnumerable) -> toNode (itemOf kind) item
                |]
        | _ when isRecordMap kind ->
            let result = JsonObject()
            let item = kind.GetGenericArguments()[1]

            for pair in (nonNull value :?> Collections.IEnumerable) do
                let at name =
                    pair.GetType().GetProperty(name: string)
                    |> nonNull
                    |> (fun p -> p.GetValue pair)

                result.Add(string (at "Key"), toNode item (at "Value"))

            result
        | _ when is typedefof<option<_>> kind ->
            let _, fields = FSharpValue.GetUnionFields(value, kind)
            toNode (itemOf kind) fields[0]
        | _ ->
            let case, _ = FSharpValue.GetUnionFields(value, kind, true)
            JsonValue.Create(dashed '-' case.Name)

    /// The text of a union's case without fields, e.g. `feature-mean`.
    let text (case: 'T) : string =
        let case, _ = FSharpValue.GetUnionFields(case, typeof<'T>, true)
        dashed '-' case.Name

    let private options =
        JsonSerializerOptions(WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    /// The JSON object of a record.
    let toObject (record: 'T) : JsonObject =
        toNode typeof<'T> (box record) |> nonNull |> _.AsObject()

    /// The JSON text of a record, indented, ending in a newline. Characters that a terminal would obey or that turn the reading
    /// direction are escaped.
    let render (record: 'T) : string =
        Printable.text ((toObject record).ToJsonString options) + "\n"

    /// The JSON schema of what `toObject` makes of a record type: every key is there, `null` where an option is absent or a number is none.
    let rec schema (kind: Type) : JsonObject =
        let texts (words: string seq) : JsonNode | null =
            JsonArray [| for word in words -> JsonValue.Create word :> JsonNode | null |]

        let single key (value: JsonNode | null) =
            let found = JsonObject()
            found.Add(key, value)
            found

        let ofType (name: string) = single "type" (JsonValue.Create name)

        let withNull (schema: JsonObject) =
            match schema["type"] with
            | null -> single "anyOf" (JsonArray [| schema :> JsonNode | null; ofType "null" |])
            | name ->
                schema["type"] <- texts [ name.GetValue<string>(); "null" ]
                schema

        if kind = typeof<string> then
            ofType "string"
        elif kind = typeof<bool> then
            ofType "boolean"
        elif kind = typeof<int> || kind = typeof<int64> || kind = typeof<uint64> then
            ofType "integer"
        elif kind = typeof<float> then
            ofType "number"
        elif is typedefof<option<_>> kind then
            withNull (schema (itemOf kind))
        elif is typedefof<list<_>> kind then
            let found = ofType "array"
            found["items"] <- schema (itemOf kind)
            found
        elif isRecordMap kind then
            let found = ofType "object"
            found["additionalProperties"] <- schema (kind.GetGenericArguments()[1])
            found
        elif FSharpType.IsRecord(kind, true) then
            let found, fields = ofType "object", FSharpType.GetRecordFields(kind, true)
            let keys = JsonObject()

            for field in fields do
                keys.Add(keyOf field, schema field.PropertyType)

            found["properties"] <- keys

            found["required"] <- texts (Seq.map keyOf fields)
            found
        else
            let found = ofType "string"
            found["enum"] <- FSharpType.GetUnionCases(kind, true) |> Seq.map (_.Name >> dashed '-') |> texts
            found

    type private Reading(origin: string) =
        let faults = List<McdrlError>()
        member _.Faults = List.ofSeq faults

        member _.Fault path what fix : objnull =
            let where = if path = "" then origin else $"{origin}: {path}"
            faults.Add(McdrlError.usage what where fix)
            null

    /// How much of a wrong value an error shows.
    let private longestShown = 100

    let rec private ofElement
        (reading: Reading)
        (path: string)
        (kind: Type)
        (element: JsonElement)
        : objnull =
        let wrong expected =
            let found = element.GetRawText()

            let shown =
                if found.Length > longestShown then
                    found[.. longestShown - 1] + "…"
                else
                    found

            reading.Fault path $"{expected} is expected, not {shown}" "Correct the value"

        let within name =
            if path = "" then name else $"{path}.{name}"

        if kind = typeof<string> then
            if element.ValueKind = JsonValueKind.String then
                box (element.GetString())
            else
                wrong "a text"
        elif kind = typeof<bool> then
            match element.ValueKind with
            | JsonValueKind.True -> box true
            | JsonValueKind.False -> box false
            | _ -> wrong "true or false"
        elif kind = typeof<int> then
            match element.ValueKind = JsonValueKind.Number, lazy (element.TryGetInt32()) with
            | true, Lazy(true, number) -> box number
            | _ -> wrong "a whole number"
        elif kind = typeof<int64> then
            match element.ValueKind = JsonValueKind.Number, lazy (element.TryGetInt64()) with
            | true, Lazy(true, number) -> box number
            | _ -> wrong "a whole number"
        elif kind = typeof<uint64> then
            match element.ValueKind = JsonValueKind.Number, lazy (element.TryGetUInt64()) with
            | true, Lazy(true, number) -> box number
            | _ -> wrong "a whole number of at least 0"
        elif kind = typeof<float> then
            match element.ValueKind = JsonValueKind.Number, lazy (element.TryGetDouble()) with
            | true, Lazy(true, number) when Double.IsFinite number -> box number
            | false, _ when element.ValueKind = JsonValueKind.Null -> box nan
            | _ -> wrong "a finite number"
        elif is typedefof<option<_>> kind then
            let cases = FSharpType.GetUnionCases kind

            if element.ValueKind = JsonValueKind.Null then
                FSharpValue.MakeUnion(cases[0], [||])
            else
                FSharpValue.MakeUnion(cases[1], [| ofElement reading path (itemOf kind) element |])
        elif is typedefof<list<_>> kind then
            if element.ValueKind <> JsonValueKind.Array then
                wrong "a list"
            else
                let cases = FSharpType.GetUnionCases kind

                let items =
                    element.EnumerateArray()
                    |> Seq.mapi (fun index item -> ofElement reading $"{path}[{index}]" (itemOf kind) item)
                    |> Array.ofSeq

                Array.foldBack
                    (fun item (tail: objnull) -> FSharpValue.MakeUnion(cases[1], [| item; tail |]))
                    items
                    (FSharpValue.MakeUnion(cases[0], [||]))
        elif element.ValueKind = JsonValueKind.Object && isRecordMap kind then
            let item = kind.GetGenericArguments()[1]
            let pair = FSharpType.MakeTupleType [| typeof<string>; item |]

            for name, repeated in element.EnumerateObject() |> Seq.countBy _.Name do
                if repeated > 1 then
                    reading.Fault (within name) "the key is given twice" "Give it once" |> ignore

            let pairs =
                [|
                    for property in element.EnumerateObject() ->
                        FSharpValue.MakeTuple(
                            [|
                                box property.Name
                                ofElement reading (within property.Name) item property.Value
                            |],
                            pair
                        )
                |]

            let typed = Array.CreateInstance(pair, pairs.Length)
            Array.Copy(pairs, typed, pairs.Length)
            Activator.CreateInstance(kind, typed)
        elif FSharpType.IsRecord(kind, true) then
            if element.ValueKind <> JsonValueKind.Object then
                wrong "an object"
            else
                let fields = FSharpType.GetRecordFields(kind, true)
                let known = fields |> Array.map keyOf

                for name, repeated in element.EnumerateObject() |> Seq.countBy _.Name do
                    if not (Array.contains name known) then
                        let listed = String.concat ", " known

                        reading.Fault
                            (within name)
                            "the key is unknown"
                            $"{Spelling.hint known name}Use only these keys here: {listed}"
                        |> ignore
                    elif repeated > 1 then
                        reading.Fault (within name) "the key is given twice" "Give it once" |> ignore

                let values =
                    fields
                    |> Array.map (fun field ->
                        match element.TryGetProperty(keyOf field) with
                        | true, value -> ofElement reading (within (keyOf field)) field.PropertyType value
                        | false, _ when is typedefof<option<_>> field.PropertyType -> null
                        | false, _ -> reading.Fault (within (keyOf field)) "the key is missing" "Add it")

                if reading.Faults.IsEmpty then
                    FSharpValue.MakeRecord(kind, values, true)
                else
                    null
        elif FSharpType.IsUnion(kind, true) then
            let cases = FSharpType.GetUnionCases(kind, true)

            let named =
                if element.ValueKind = JsonValueKind.String then
                    cases |> Array.tryFind (fun case -> element.ValueEquals(dashed '-' case.Name))
                else
                    None

            match named with
            | Some case -> FSharpValue.MakeUnion(case, [||], true)
            | None ->
                let known =
                    cases |> Array.map (fun case -> dashed '-' case.Name) |> String.concat ", "

                wrong $"one of {known}"
        else
            wrong (if isRecordMap kind then "an object" else $"a {kind.Name}")

    /// Bytes of a file of one record.
    let largest = StrangerJson.standard.MostBytes

    /// Keys given twice are told of with their path.
    let private bounds =
        { StrangerJson.standard with
            Repeats = true
        }

    let private refuse origin what =
        McdrlError.usage what origin "Correct the text"

    let private ofRoot<'T> origin (root: JsonElement) : Result<'T, McdrlError> =
        let reading = Reading origin
        let value = ofElement reading "" typeof<'T> root

        match McdrlError.ofList reading.Faults with
        | Some faults -> Error faults
        | None -> Ok(unbox<'T> value)

    /// Reads a record from JSON text; `origin` names the text in errors, which are `Usage` faults.
    let parse<'T> (origin: string) (json: string) : Result<'T, McdrlError> =
        StrangerJson.readText bounds (refuse origin) json (ofRoot<'T> origin)

    /// `parse` for a text's bytes, of which there may be `most`.
    let parseBytes<'T> (most: int64) (origin: string) (json: byte[]) : Result<'T, McdrlError> =
        StrangerJson.read
            { bounds with MostBytes = most }
            (refuse origin)
            (ReadOnlyMemory json)
            (ofRoot<'T> origin)

    /// `parse` for a file of up to `most` bytes.
    let ofFileWithin<'T> (most: int64) (path: string) : Result<'T, McdrlError> =
        StrangerJson.ofFile { bounds with MostBytes = most } (refuse path) path (ofRoot<'T> path)

    /// `parse` for a file.
    let ofFile<'T> (path: string) : Result<'T, McdrlError> = ofFileWithin<'T> largest path
