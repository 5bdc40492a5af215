namespace Mcdrl

open System
open System.Globalization
open Giraffe.ViewEngine

/// A picture that a page carries within itself.
type PageImage =
    {
        /// The encoded picture.
        Bytes: byte[]
        /// E.g. `image/jpeg`.
        MediaType: string
        /// Pixels a row.
        Width: int
        /// Rows.
        Height: int
        /// What it shows, for those who don't see it.
        Alt: string
    }

/// A report as one HTML file that loads nothing: it opens from a disk, an e-mail or a USB stick, years later.
[<RequireQualifiedAccess>]
module Page =
    /// Three decimals; a dash for what is not defined.
    let number (value: float) =
        if Double.IsFinite value then
            value.ToString("0.000", CultureInfo.InvariantCulture)
        else
            "–"

    /// Two decimals, where there is no room for more.
    let internal short (value: float) =
        if Double.IsFinite value then
            value.ToString("0.00", CultureInfo.InvariantCulture)
        else
            "–"

    /// A difference with its sign; less than half a thousandth has none.
    let internal signed (value: float) =
        if not (Double.IsFinite value) then "–"
        elif abs value < 0.0005 then "0.000"
        elif value > 0.0 then "+" + number value
        else "−" + number (abs value)

    /// Whole percents.
    let internal percent (share: float) =
        if Double.IsFinite share then
            (100.0 * share).ToString("0", CultureInfo.InvariantCulture) + " %"
        else
            "–"

    /// A share in percent, one decimal, without the sign, for a column that says so.
    let internal points (share: float) =
        if Double.IsFinite share then
            (100.0 * share).ToString("0.0", CultureInfo.InvariantCulture)
        else
            "–"

    /// A difference of shares in percentage points with its sign; less than half a tenth has none.
    let internal signedPoints (difference: float) =
        if not (Double.IsFinite difference) then "–"
        elif abs difference < 0.0005 then "0.0"
        elif difference > 0.0 then "+" + points difference
        else "−" + points (abs difference)

    let private dataAddress (image: PageImage) =
        $"data:{image.MediaType};base64,{Convert.ToBase64String image.Bytes}"

    /// The picture as an element of its own.
    let internal image (image: PageImage) =
        img
            [
                _src (dataAddress image)
                _alt image.Alt
                _width (string image.Width)
                _height (string image.Height)
                attr "loading" "lazy"
            ]

    /// A tag of SVG; ViewEngine knows those of HTML. It is always closed, as HTML asks of SVG within it.
    let internal shape name attributes children =
        tag name (attributes |> List.map (fun (key, value) -> attr key value)) children

    /// An SVG drawing that is read out as `alt`.
    let internal drawing alt attributes children =
        shape
            "svg"
            ([ "role", "img"; "aria-label", alt ] @ attributes)
            (tag "title" [] [ str alt ] :: children)

    /// Twice the middle of each unit step of a boundary, where its direction changes: stairs become slopes.
    let private slopes (corners: struct (int * int)[]) =
        [
            for i in 0 .. corners.Length - 1 do
                let struct (x1, y1) = corners[i]
                let struct (x2, y2) = corners[(i + 1) % corners.Length]
                let length = abs (x2 - x1) + abs (y2 - y1)
                let dx, dy = sign (x2 - x1), sign (y2 - y1)

                for step in List.distinct [ 0; length - 1 ] do
                    2 * (x1 + dx * step) + dx, 2 * (y1 + dy * step) + dy
        ]

    let private half (doubled: int) =
        (float doubled / 2.0).ToString("0.#", CultureInfo.InvariantCulture)

    let private outline (regions: Region list) =
        [
            for region in regions do
                for polygon in region.Outline :: region.Holes do
                    let points = slopes polygon |> List.map (fun (x, y) -> $"{half x} {half y}")
                    "M" + String.Join("L", points) + "Z"
        ]
        |> String.concat ""

    /// A frame under the outlines of label maps of one size, drawn in the order given; the picture may be smaller than
    /// they are. The kind of an outline is `first`, `second` or `truth`.
    let internal outlined (image: PageImage) (outlines: (string * LabelMap) list) =
        let width, height =
            match outlines with
            | (_, map) :: _ -> string map.Width, string map.Height
            | [] -> string image.Width, string image.Height

        let drawn =
            outlines
            |> List.map (fun (kind, map) -> kind, outline (Contours.find map))
            |> List.filter (fun (_, path) -> path <> "")

        drawing
            image.Alt
            [ "viewBox", $"0 0 {width} {height}" ]
            [
                shape "image" [ "href", dataAddress image; "width", width; "height", height ] []

                for _, path in drawn do
                    shape "path" [ "class", "halo"; "d", path ] []

                for kind, path in drawn do
                    shape "path" [ "class", $"mark {kind}"; "d", path ] []
            ]

    /// A large picture, which a narrow window moves across instead of shrinking it past reading.
    let internal broad (picture: PageImage) =
        div [ _class "scroll" ] [ image picture ]

    /// Content with a caption below.
    let internal figure (caption: string) content =
        figure [] (content @ [ figcaption [] [ str caption ] ])

    /// A part of the page under a heading.
    let internal section (heading: string) content =
        section [] (h2 [] [ str heading ] :: content)

    let internal paragraph (text: string) = p [] [ str text ]

    /// Text to be typed.
    let internal commands (lines: string list) =
        pre [] [ code [] [ str (String.concat "\n" lines) ] ]

    /// The whole file, with style sheets of its own after the one that all pages share. Characters that turn the reading direction
    /// or can't be seen are spelt out.
    let internal renderStyled (sheets: string list) (name: string) content : string =
        html
            [ _lang "en" ]
            [
                head
                    []
                    [
                        meta [ _charset "utf-8" ]
                        meta [ _name "viewport"; _content "width=device-width, initial-scale=1" ]
                        title [] [ str name ]
                        for sheet in PageStyle.sheet :: sheets do
                            style [] [ rawText sheet ]
                    ]
                body [] [ main [] content ]
            ]
        |> RenderView.AsString.htmlDocument
        |> Printable.text

    /// The whole file.
    let internal render (name: string) content : string = renderStyled [] name content
