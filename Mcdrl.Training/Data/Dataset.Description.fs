namespace Mcdrl

open System.IO
open System.Text.Json

/// What frames of a site that aren't independent of each other have in common.
[<RequireQualifiedAccess>]
type GroupKind =
    /// They show the same patient.
    | Patients
    /// They are from the same video.
    | Sequences

/// Which frames of a site belong together, as `dataset.json` declares it.
type GroupsDescription =
    {
        /// What a group is.
        Kind: GroupKind
        /// Each group's name and its frames: names without ending, or the beginning of names followed by `*`.
        Frames: (string * string list) list
    }

/// A site as `dataset.json` declares it; nothing has been looked at on the disk.
type SiteDescription =
    {
        /// The site's name.
        Site: string
        /// Folder of the images, relative to the dataset.
        Images: string
        /// Folder of the masks, relative to the dataset.
        Masks: string
        /// The one class that this site's lesions belong to, where declared.
        Class: string option
        /// Only files whose name starts so belong to the site.
        Prefix: string
        /// Whether folders within those of images and masks are searched too.
        Nested: bool
        /// Which of its frames are of the same patient or sequence, where declared.
        Groups: GroupsDescription option
    }

/// What masks were drawn on, where frames are stored turned and their EXIF says how they are seen.
[<RequireQualifiedAccess>]
type MaskOrientation =
    /// On the frame's pixels as its file stores them: mask and frame are turned upright together.
    | Stored
    /// On the upright picture, as viewers and most annotation tools show it: the mask is upright already.
    | Upright

/// What a `dataset.json` says, well-formed but not yet compared with the files.
type DatasetDescription =
    {
        /// As its makers call it.
        Name: string
        /// Under which its images may be used, where stated.
        Licence: string option
        /// The publication to cite, where stated.
        Citation: string option
        /// Lesion classes; class k of a label map is the k-th (from 1), background is 0.
        Classes: string list
        /// Mask value and the label that it stands for; `Ignored.label` for what counts nowhere.
        Values: (byte * byte) list
        /// Mask colour, red, green and blue, and its label; empty where masks hold values.
        Colours: ((byte * byte * byte) * byte) list
        /// Mask brightness above which a pixel counts as the higher of the two declared values.
        Threshold: byte option
        /// What masks were drawn on, where stated; `Stored` where not.
        MaskOrientation: MaskOrientation option
        /// In the order of the file.
        Sites: SiteDescription list
    }

/// Reads `dataset.json` strictly: an unknown or repeated key, a wrong type or a class that nothing declares is
/// an error, and all of them are reported at once.
[<RequireQualifiedAccess>]
module DatasetDescription =
    let private orientations =
        List.zip DatasetKeys.orientations [ MaskOrientation.Stored; MaskOrientation.Upright ]

    let private readOrientation (reading: DatasetReading.Reading) root =
        let key = "mask_orientation"

        reading.Text(root, "", key, false)
        |> Option.bind (fun text ->
            let found = orientations |> List.tryFind (fst >> (=) text) |> Option.map snd

            if found.IsNone then
                reading.Fault(
                    key,
                    "it is neither stored nor upright",
                    "Say stored if masks have the rows and columns of the frames' files, upright if they were drawn on the upright pictures"
                )

            found)

    let private groupKeys =
        [ GroupKind.Patients, "patients"; GroupKind.Sequences, "sequences" ]

    /// The frames that a group lists.
    let private readMembers (reading: DatasetReading.Reading) key (members: JsonElement) =
        if members.ValueKind <> JsonValueKind.Array then
            reading.Fault(key, "the frames are not a list", "Give a list of frame names, without ending")
            []
        else
            let names =
                [
                    for item in members.EnumerateArray() do
                        match
                            item.ValueKind, item.ValueKind = JsonValueKind.String && item.GetString() <> ""
                        with
                        | JsonValueKind.String, true -> yield! Option.toList (Option.ofObj (item.GetString()))
                        | _ ->
                            reading.Fault(
                                key,
                                "a frame is not a name",
                                "Give each frame's name, without ending"
                            )
                ]

            if members.GetArrayLength() = 0 then
                reading.Fault(key, "it has no frame", "List its frames, or leave it out")

            names

    let private readGroups (reading: DatasetReading.Reading) site key : GroupsDescription option =
        let found =
            [
                for kind, name in groupKeys do
                    match reading.Find(site, key, name, JsonValueKind.Object, false) with
                    | None -> ()
                    | Some groups ->
                        {
                            Kind = kind
                            Frames =
                                [
                                    for group in groups.EnumerateObject() ->
                                        group.Name,
                                        readMembers reading $"{key}{name}.{group.Name}" group.Value
                                ]
                        }
            ]

        match found with
        | [] -> None
        | [ groups ] -> Some groups
        | groups :: _ ->
            reading.Fault(
                $"{key}sequences",
                "frames are grouped twice, by patients and by sequences",
                "Keep patients where they are known: sequences of one patient belong together"
            )

            Some groups

    let private readSite (reading: DatasetReading.Reading) classes (property: JsonProperty) =
        let key = $"sites.{property.Name}."

        if property.Name.Trim() = "" then
            reading.Fault("sites", "a site has no name", "Give each site a name")

        if property.Value.ValueKind <> JsonValueKind.Object then
            reading.Fault($"sites.{property.Name}", "a site must be an object", "Give it images and masks")
            None
        else
            let site = property.Value
            reading.Keys(site, key, DatasetKeys.names DatasetKeys.site)
            let ``class`` = reading.Text(site, key, "class", false)

            match ``class`` with
            | Some name when not (List.contains name classes) ->
                reading.Fault($"{key}class", $"the class {name} is not declared", "Add it to classes")
            | _ -> ()

            let groups = readGroups reading site key
            let nested = reading.Flag(site, key, "nested")

            match reading.Text(site, key, "images", true), reading.Text(site, key, "masks", true) with
            | Some images, Some masks ->
                Some
                    {
                        Site = property.Name
                        Images = images
                        Masks = masks
                        Class = ``class``
                        Prefix = reading.Text(site, key, "prefix", false) |> Option.defaultValue ""
                        Nested = nested
                        Groups = groups
                    }
            | _ -> None

    let private readRoot path (root: JsonElement) =
        let reading = DatasetReading.Reading path

        if root.ValueKind <> JsonValueKind.Object then
            reading.Fault("root", "the file does not hold an object", "See the documentation of dataset.json")
            Error reading.Faults
        else
            reading.Keys(root, "", DatasetKeys.names DatasetKeys.root)
            reading.Text(root, "", "$schema", false) |> ignore
            let name = reading.Text(root, "", "name", true)
            let classes = DatasetReading.classes reading root
            let values, colours = DatasetReading.meanings reading root classes

            let sites =
                match reading.Find(root, "", "sites", JsonValueKind.Object, true) with
                | None -> []
                | Some value -> value.EnumerateObject() |> Seq.choose (readSite reading classes) |> List.ofSeq

            if sites.IsEmpty then
                reading.Fault("sites", "no site is declared", "Declare at least one")

            let description =
                {
                    Name = Option.defaultValue "" name
                    Licence = reading.Text(root, "", "licence", false)
                    Citation = reading.Text(root, "", "citation", false)
                    Classes = classes
                    Values = values
                    Colours = colours
                    Threshold = DatasetReading.threshold reading root values
                    MaskOrientation = readOrientation reading root
                    Sites = sites
                }

            match reading.Faults with
            | [] -> Ok description
            | faults -> Error faults

    /// Bytes of a `dataset.json`.
    let private largest = 1024L * 1024L

    let private bounds =
        { StrangerJson.standard with
            MostBytes = largest
            MostDepth = 16
        }

    let private refuse path what =
        McdrlError.data $"this can't be read: {what}" path "Correct the file"

    /// What `read` makes of a text, with all of its faults.
    let private readWith path read =
        read (refuse path) (fun root ->
            readRoot path root
            |> Result.mapError (fun faults ->
                McdrlError.ofList faults
                |> Option.defaultValue (refuse path "it has no content")))
        |> Result.mapError McdrlError.flatten

    /// Reads the text of a `dataset.json`; `path` names it in errors.
    let parse (path: string) (text: string) : Result<DatasetDescription, McdrlError list> =
        readWith path (fun refuse -> StrangerJson.readText bounds refuse text)

    /// Reads `dataset.json` of the dataset's folder (at most 1 MiB).
    let load (folder: string) : Result<DatasetDescription, McdrlError list> =
        let path = Path.Combine(folder, "dataset.json")
        readWith path (fun refuse -> StrangerJson.ofFile bounds refuse path)

    /// A dataset as Mcdrl writes them: `SITE/images` and `SITE/masks`, and masks whose values are the labels.
    let ofSites (name: string) (classes: string list) (sites: string list) : DatasetDescription =
        {
            Name = name
            Licence = None
            Citation = None
            Classes = classes
            Values = [ for label in 0 .. classes.Length -> byte label, byte label ]
            Colours = []
            Threshold = None
            MaskOrientation = None
            Sites =
                [
                    for site in sites ->
                        {
                            Site = site
                            Images = $"{FileName.ofText site}/images"
                            Masks = $"{FileName.ofText site}/masks"
                            Class =
                                match classes with
                                | [ only ] -> Some only
                                | _ -> None
                            Prefix = ""
                            Nested = false
                            Groups = None
                        }
                ]
        }

    let private options =
        JsonWriterOptions(
            Indented = true,
            Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping
        )

    /// The text of a `dataset.json` that `parse` reads back as this description.
    let render (description: DatasetDescription) : string =
        use memory = new MemoryStream()

        using (new Utf8JsonWriter(memory, options)) (fun json ->
            let text (key: string) (value: string option) =
                match value with
                | Some value -> json.WriteString(key, value)
                | None -> ()

            json.WriteStartObject()
            text "name" (Some description.Name)
            text "licence" description.Licence
            text "citation" description.Citation
            json.WriteStartArray "classes"
            description.Classes |> List.iter json.WriteStringValue
            json.WriteEndArray()
            json.WriteStartObject "masks"

            let meaning (label: byte) =
                match int label with
                | 0 -> "background"
                | label when label > description.Classes.Length -> "ignore"
                | label -> description.Classes[label - 1]

            for value, label in description.Values do
                text (string value) (Some(meaning label))

            for (red, green, blue), label in description.Colours do
                text $"#{red:x2}{green:x2}{blue:x2}" (Some(meaning label))

            json.WriteEndObject()

            description.Threshold
            |> Option.iter (fun value -> json.WriteNumber("threshold", int value))

            description.MaskOrientation
            |> Option.iter (fun stated ->
                text "mask_orientation" (Some(orientations |> List.find (snd >> (=) stated) |> fst)))

            json.WriteStartObject "sites"

            for site in description.Sites do
                json.WriteStartObject site.Site
                text "images" (Some site.Images)
                text "masks" (Some site.Masks)
                text "class" site.Class

                if site.Prefix <> "" then
                    text "prefix" (Some site.Prefix)

                if site.Nested then
                    json.WriteBoolean("nested", true)

                for groups in Option.toList site.Groups do
                    json.WriteStartObject(groupKeys |> List.find (fst >> (=) groups.Kind) |> snd)

                    for name, frames in groups.Frames do
                        json.WriteStartArray name
                        frames |> List.iter json.WriteStringValue
                        json.WriteEndArray()

                    json.WriteEndObject()

                json.WriteEndObject()

            json.WriteEndObject()
            json.WriteEndObject())

        Printable.text (System.Text.Encoding.UTF8.GetString(memory.ToArray())) + "\n"
