namespace Mcdrl

open System
open System.Text.Json

/// Reads the values of `dataset.json` that classes and masks are made of, and keeps every fault met on the way.
[<RequireQualifiedAccess>]
module internal DatasetReading =
    let private fault path key what fix =
        McdrlError.data what $"{path}: {key}" fix

    /// Values read so far together with the faults met; a missing value is carried as `None`.
    type Reading(path: string) =
        let faults = ResizeArray<McdrlError>()

        /// In the order in which they were met.
        member _.Faults = List.ofSeq faults
        /// Notes one.
        member _.Fault(key, what, fix) = faults.Add(fault path key what fix)

        /// Notes keys that aren't allowed.
        member this.Keys(element: JsonElement, key, allowed: string list) =
            for property in element.EnumerateObject() do
                if not (List.contains property.Name allowed) then
                    let known = String.concat ", " allowed

                    this.Fault(
                        $"{key}{property.Name}",
                        "the key is unknown",
                        $"{Spelling.hint allowed property.Name}Use only these keys here: {known}"
                    )

        /// The value of a key, where it is of this kind.
        member this.Find(element: JsonElement, key: string, name: string, kind: JsonValueKind, needed) =
            match element.TryGetProperty name with
            | true, value when value.ValueKind = kind -> Some value
            | true, value ->
                this.Fault(
                    $"{key}{name}",
                    $"the value is {value.ValueKind} where {kind} is expected",
                    "Correct it"
                )

                None
            | false, _ ->
                if needed then
                    this.Fault($"{key}{name}", "the key is missing", "Add it")

                None

        /// Whether a key is there and true.
        member this.Flag(element: JsonElement, key: string, name: string) =
            match element.TryGetProperty name with
            | true, value when value.ValueKind = JsonValueKind.True -> true
            | true, value when value.ValueKind <> JsonValueKind.False ->
                this.Fault($"{key}{name}", "the value is neither true nor false", "Correct it")
                false
            | _ -> false

        /// The text of a key.
        member this.Text(element, key, name, needed) =
            this.Find(element, key, name, JsonValueKind.String, needed)
            |> Option.bind (fun value -> Option.ofObj (value.GetString()))

    /// The names of the classes.
    let classes (reading: Reading) root =
        let names =
            match reading.Find(root, "", "classes", JsonValueKind.Array, true) with
            | None -> []
            | Some value ->
                [
                    for item in value.EnumerateArray() do
                        match item.ValueKind with
                        | JsonValueKind.String ->
                            yield item.GetString() |> Option.ofObj |> Option.defaultValue ""
                        | _ -> reading.Fault("classes", "a class is not a text", "Give each class a name")
                ]

        if names.Length > DatasetKeys.mostClasses then
            reading.Fault(
                "classes",
                $"there are {names.Length} classes",
                $"Give at most {DatasetKeys.mostClasses}"
            )

        if List.exists (fun (name: string) -> name.Trim() = "" || name = "background") names then
            reading.Fault(
                "classes",
                "a class is empty or called background",
                "Background is always there; leave it out"
            )

        if names |> List.exists (fun name -> name.Length > ModelLimits.longestName) then
            reading.Fault(
                "classes",
                $"a class has more than {ModelLimits.longestName} characters",
                "Give it a shorter name"
            )

        if List.distinct names <> names then
            reading.Fault("classes", "a class is named twice", "Name each class once")

        if names.IsEmpty then
            reading.Fault("classes", "no class is declared", "Name at least one class")

        names

    /// The label that a mask's value or colour means, by the words of `dataset.json`; a class may be called as a word is.
    let private labelOf classes (name: string) =
        match List.tryFindIndex ((=) name) classes, name with
        | Some index, _ -> Some(byte (index + 1))
        | None, "background" -> Some 0uy
        | None, "ignore" -> Some Ignored.label
        | None, _ -> None

    /// Red, green and blue of `#rrggbb`.
    let private colourOf (text: string) =
        match
            text.Length = 7 && text[0] = '#',
            Int32.TryParse(
                text.AsSpan(min 1 text.Length),
                Globalization.NumberStyles.AllowHexSpecifier,
                Globalization.CultureInfo.InvariantCulture
            )
        with
        | true, (true, value) -> Some(byte (value >>> 16), byte (value >>> 8), byte value)
        | _ -> None

    let private valueOf (text: string) =
        match Byte.TryParse text with
        | true, number when string number = text -> Some number
        | _ -> None

    /// What the values and the colours of masks mean: labels, of which one dataset has either.
    let meanings (reading: Reading) root classes : (byte * byte) list * ((byte * byte * byte) * byte) list =
        let entries =
            match reading.Find(root, "", "masks", JsonValueKind.Object, true) with
            | None -> []
            | Some value ->
                [
                    for property in value.EnumerateObject() do
                        let key = $"masks.{property.Name}"

                        let label =
                            if property.Value.ValueKind = JsonValueKind.String then
                                Option.ofObj (property.Value.GetString()) |> Option.bind (labelOf classes)
                            else
                                None

                        match valueOf property.Name, colourOf property.Name, label with
                        | None, None, _ ->
                            reading.Fault(
                                key,
                                "a mask value must be a whole number from 0 to 255, a colour #rrggbb",
                                "Correct it"
                            )
                        | _, _, None ->
                            reading.Fault(
                                key,
                                "it names no declared class",
                                "Use background, ignore or one of the classes"
                            )
                        | Some value, _, Some label -> Choice1Of2(value, label)
                        | None, Some colour, Some label -> Choice2Of2(colour, label)
                ]

        let values =
            entries
            |> List.choose (function
                | Choice1Of2 value -> Some value
                | Choice2Of2 _ -> None)

        let colours =
            entries
            |> List.choose (function
                | Choice1Of2 _ -> None
                | Choice2Of2 colour -> Some colour)

        if not (values.IsEmpty || colours.IsEmpty) then
            reading.Fault(
                "masks",
                "some of its keys are values and some are colours",
                "Masks hold one of both: give all as values, or all as colours"
            )

        if (colours |> List.distinctBy fst).Length < colours.Length then
            reading.Fault("masks", "a colour is given twice", "Give it once")

        values, colours

    /// The brightness that parts two values.
    let threshold (reading: Reading) root (values: (byte * byte) list) =
        match reading.Find(root, "", "threshold", JsonValueKind.Number, false) with
        | None -> None
        | Some value ->
            match value.TryGetByte() with
            | true, number when number < 255uy ->
                if values.Length <> 2 then
                    reading.Fault(
                        "threshold",
                        "a threshold needs exactly two mask values",
                        "Declare two values in masks"
                    )

                Some number
            | _ ->
                reading.Fault("threshold", "the threshold must be a whole number from 0 to 254", "Correct it")
                None
