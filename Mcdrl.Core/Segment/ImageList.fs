namespace Mcdrl

open System
open System.Collections.Generic
open System.Security.Cryptography
open System.Text

/// An image that a list names.
type ListedImage =
    {
        /// The line that names it, from 1.
        Line: int64
        /// Its path below the root, with `/` and without `.` and empty parts.
        Path: string
        /// The path that its results have below the folder that they go to, without their endings. It decides the part that the image
        /// belongs to, so that two images whose results would have the same names meet in one part.
        Place: string
    }

/// What a list holds, as one part sees it.
type ImageListSurvey =
    {
        /// Of the whole list.
        Images: int64
        /// Of the part.
        InPart: int64
    }

/// Lists of images: a relative path a line, UTF-8, and nothing else. They may have any length: none is held in memory.
[<RequireQualifiedAccess>]
module ImageList =
    /// Bytes of a line: four times what Linux takes for a path.
    let private longest = 16384

    /// How many places are compared with each other at a time.
    let private compared = 500_000

    let private refused file line what fix =
        Error(McdrlError.data what $"{file}, line {line}" fix)

    /// The image that a line names.
    let internal image (file: string) (line: int64) (text: string) : Result<ListedImage, McdrlError> =
        let refused = refused file line

        let parts = text.Split '/' |> Array.filter (fun part -> part <> "" && part <> ".")

        if text = "" then
            refused "it is empty" "Name one image a line, and nothing else"
        elif text.Contains '\000' then
            refused "it holds a NUL character" "Name one image a line"
        elif text.StartsWith '/' then
            refused $"{text} is no path below the root" "Write paths relative to “root”"
        elif Array.contains ".." parts then
            refused $"{text} leads out of a folder" "Write paths without .."
        elif parts.Length = 0 || text.EndsWith '/' then
            refused $"{text} is a folder" "Name one image a line"
        else
            let above, name = parts[.. parts.Length - 2], Array.last parts

            Ok
                {
                    Line = line
                    Path = String.concat "/" parts
                    Place = String.concat "/" [ yield! above; Images.stem name ]
                }

    /// Opens a list to be read from its beginning.
    let opened (file: string) : Result<LineReader, McdrlError> = LineReader.openAt 0L longest file

    /// The next image of an opened list; a `Data` error that names the line for what is no path below the root.
    let next (file: string) (reader: LineReader) : Result<ListedImage option, McdrlError> =
        match reader.Next() with
        | Error fault -> Error fault
        | Ok None -> Ok None
        | Ok(Some line) -> image file line.Line line.Text |> Result.map Some

    /// Does something with each image of a list, in its order; ends with the first error.
    let iterate
        (file: string)
        (progress: Progress)
        (work: ListedImage -> Result<unit, McdrlError>)
        : Result<unit, McdrlError> =
        opened file
        |> Result.bind (fun reader ->
            use reader = reader

            let rec go () =
                match next file reader with
                | Ok(Some image) when image.Line % 4096L = 0L && progress.IsCancelled ->
                    Error McdrlError.Cancelled
                | Ok(Some image) -> work image |> Result.bind go
                | Ok None -> Ok()
                | Error fault -> Error fault

            go ())

    let private twice file (earlier: int64) (image: ListedImage) =
        refused
            file
            image.Line
            $"the results of {image.Path} would have the names of those of line {earlier}"
            "Name every image once, and those that differ in their endings alone in lists of their own"

    /// What of a place is compared: 16 bytes of its digest, of which two that differ have the same once in 10^20 lists.
    let private key (place: string) =
        let digest = SHA256.HashData(Encoding.UTF8.GetBytes place)
        struct (BitConverter.ToUInt64(digest, 8), BitConverter.ToUInt64(digest, 16))

    /// `survey` that compares so many places with each other at a time.
    let internal surveyBy
        (compared: int)
        (part: Part)
        (file: string)
        (progress: Progress)
        : Result<ImageListSurvey, McdrlError> =
        let seen = Dictionary<struct (uint64 * uint64), int64>()

        let pass most index passes (counted: ListedImage -> bool -> unit) =
            seen.Clear()

            iterate file progress (fun image ->
                let isOwn = Part.holds part image.Place
                counted image isOwn

                if not isOwn || seen.Count >= most then
                    Ok()
                else
                    let struct (first, _) as key = key image.Place

                    if first % passes <> index then
                        Ok()
                    else
                        match seen.TryGetValue key with
                        | true, earlier -> twice file earlier image
                        | false, _ ->
                            seen[key] <- image.Line
                            Ok())

        let images, inPart = ref 0L, ref 0L

        let count _ isOwn =
            images.Value <- images.Value + 1L

            if isOwn then
                inPart.Value <- inPart.Value + 1L

        pass compared 0UL 1UL count
        |> Result.bind (fun () ->
            // A tenth less at a time than there is room for: shares of a hash are not quite equal.
            let passes =
                if inPart.Value <= int64 compared then
                    0UL
                else
                    uint64 (inPart.Value / (int64 compared * 9L / 10L)) + 1UL

            let rec others index =
                if index = passes then
                    Ok()
                else
                    pass Int32.MaxValue index passes (fun _ _ -> ())
                    |> Result.bind (fun () -> others (index + 1UL))

            others 0UL)
        |> Result.bind (fun () ->
            if images.Value = 0L then
                Error(McdrlError.data "the list names no image" file "Name one image a line")
            else
                Ok
                    {
                        Images = images.Value
                        InPart = inPart.Value
                    })

    /// Reads the whole list and counts it. A `Data` error that names the line for what is no path below the root, and for an image of the part
    /// whose results would have the names of another's. Memory is bounded: of a long list so much is compared at a time, and the list read
    /// again for the rest.
    let survey part file progress = surveyBy compared part file progress
