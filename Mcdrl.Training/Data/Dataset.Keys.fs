namespace Mcdrl

open System.Text.Encodings.Web
open System.Text.Json
open System.Text.Json.Nodes

/// What the value of a key of `dataset.json` must be.
[<RequireQualifiedAccess>]
type DatasetValue =
    /// A text.
    | Text
    /// One of these texts.
    | OneOf of string list
    /// `true` or `false`.
    | Flag
    /// A whole number from 0 to 254.
    | Level
    /// The names of the classes.
    | Classes
    /// An object from mask values or colours to classes.
    | Meanings
    /// An object from groups to the names of their frames.
    | Groups
    /// An object from sites to what each is.
    | Sites

/// A key of `dataset.json`.
type DatasetKey =
    {
        /// As it is written.
        Name: string
        /// What it holds.
        Holds: DatasetValue
        /// Whether it must be there.
        Needed: bool
        /// What it is for, in a sentence or two.
        Says: string
    }

/// All that a `dataset.json` may hold, in one list: the reader accepts it, the JSON Schema says it to editors, and `docs/data.md` to
/// people.
[<RequireQualifiedAccess>]
module DatasetKeys =
    let private key name value needed says =
        {
            Name = name
            Holds = value
            Needed = needed
            Says = says
        }

    /// Most classes: label 0 is background, 255 is what is ignored.
    let mostClasses = 254

    /// What masks are drawn on, in words.
    let orientations = [ "stored"; "upright" ]

    /// Of the whole dataset.
    let root: DatasetKey list =
        [
            key
                "$schema"
                DatasetValue.Text
                false
                "Where an editor finds the JSON Schema of this file; Mcdrl doesn't read it."
            key "name" DatasetValue.Text true "The dataset's name, as people know it."
            key "licence" DatasetValue.Text false "Under which its images may be used."
            key "citation" DatasetValue.Text false "The publication to cite."
            key
                "classes"
                DatasetValue.Classes
                true
                "The lesion classes, 1 to 254, each named once. Background is always there and isn't listed."
            key
                "masks"
                DatasetValue.Meanings
                true
                "What masks hold: from each value (\"0\" to \"255\") or each colour (\"#rrggbb\") to background, one of the classes, or ignore. Pixels to ignore count neither in training nor in any score."
            key
                "threshold"
                DatasetValue.Level
                false
                "For masks of exactly two values, of any image format: what is brighter is the higher value, the rest the lower. 128 is usual for JPEG."
            key
                "mask_orientation"
                (DatasetValue.OneOf orientations)
                false
                "For frames that are stored turned (EXIF): stored, the default, if masks have the rows and columns of the frames' files; upright if they were drawn on the pictures as they are seen."
            key
                "sites"
                DatasetValue.Sites
                true
                "The sites, hospitals for instance: each has a name and an object of the keys below."
        ]

    /// Of a site.
    let site: DatasetKey list =
        [
            key "images" DatasetValue.Text true "The folder of its frames, relative to dataset.json."
            key
                "masks"
                DatasetValue.Text
                true
                "The folder of its masks, relative to dataset.json; it may be the same. A mask has its frame's name, with or without _mask at the end."
            key
                "class"
                DatasetValue.Text
                false
                "The one class that its lesions belong to; another in its masks is then an error."
            key
                "prefix"
                DatasetValue.Text
                false
                "Only files whose names begin so belong to it, where sites share folders."
            key
                "nested"
                DatasetValue.Flag
                false
                "Whether folders in images and masks are searched too; a mask then lies in the folder of the same name. Default false."
            key
                "patients"
                DatasetValue.Groups
                false
                "Which frames are of the same patient: from each patient to names of frames without ending; * at the end stands for all that begin so."
            key
                "sequences"
                DatasetValue.Groups
                false
                "Which frames are of the same video, in the same way; not beside patients."
        ]

    /// Their names.
    let names (keys: DatasetKey list) : string list = keys |> List.map _.Name

    let private objectOf (fields: (string * (JsonNode | null)) list) : JsonObject =
        let result = JsonObject()

        for name, value in fields do
            result.Add(name, value)

        result

    let private listOf (items: (JsonNode | null) list) : JsonNode | null = JsonArray(Array.ofList items)
    let private text (value: string) : JsonNode | null = JsonValue.Create value
    let private number (value: int) : JsonNode | null = JsonValue.Create value
    let private flag (value: bool) : JsonNode | null = JsonValue.Create value

    let rec private typeOf (value: DatasetValue) : (string * (JsonNode | null)) list =
        let plainText () = [ "type", text "string" ]

        match value with
        | DatasetValue.Text -> plainText ()
        | DatasetValue.OneOf words -> [ "enum", words |> List.map text |> listOf ]
        | DatasetValue.Flag -> [ "type", text "boolean" ]
        | DatasetValue.Level -> [ "type", text "integer"; "minimum", number 0; "maximum", number 254 ]
        | DatasetValue.Classes ->
            [
                "type", text "array"
                "items",
                objectOf (
                    plainText ()
                    @ [ "minLength", number 1; "maxLength", number ModelLimits.longestName ]
                )
                "minItems", number 1
                "maxItems", number mostClasses
                "uniqueItems", flag true
            ]
        | DatasetValue.Meanings ->
            let meaning () : JsonNode | null = objectOf (plainText ())

            [
                "type", text "object"
                "patternProperties",
                objectOf
                    [
                        "^(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$", meaning ()
                        "^#[0-9a-fA-F]{6}$", meaning ()
                    ]
                "additionalProperties", flag false
                "minProperties", number 1
            ]
        | DatasetValue.Groups ->
            [
                "type", text "object"
                "additionalProperties",
                objectOf
                    [
                        "type", text "array"
                        "items", objectOf (plainText () @ [ "minLength", number 1 ])
                        "minItems", number 1
                    ]
            ]
        | DatasetValue.Sites ->
            [
                "type", text "object"
                "additionalProperties", objectOf (keysOf site)
                "minProperties", number 1
            ]

    and private keysOf (keys: DatasetKey list) : (string * (JsonNode | null)) list =
        [
            "type", text "object"
            "properties",
            objectOf
                [
                    for key in keys ->
                        key.Name, objectOf (("description", text key.Says) :: typeOf key.Holds) :> _
                ]
            "required", keys |> List.filter _.Needed |> names |> List.map text |> listOf
            "additionalProperties", flag false
        ]

    let private options =
        JsonSerializerOptions(WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    /// The JSON Schema (draft 07) of `dataset.json`, from which editors complete and check it.
    let schema () : string =
        let content =
            objectOf (
                [
                    "$schema", text "http://json-schema.org/draft-07/schema#"
                    "title", text "Mcdrl: dataset.json"
                ]
                @ keysOf root
            )

        content.ToJsonString options + "\n"
