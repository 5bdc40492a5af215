namespace Mcdrl

open System.Text.Json

/// A polygon drawn around something in an image, in pixels of the image; pixel (0, 0) has its centre at (0, 0).
type internal Polygon =
    {
        /// The image's identifier.
        Image: string
        /// Names of what it surrounds, as annotated.
        Names: string list
        /// At least three corners (x, y).
        Corners: (float * float)[]
    }

/// Polygon annotations of BM-BronchoLC: `annotation.json`, an array of `{ object_id, label_ids, data: [{ x, y }, …] }`,
/// and `labels.json`, an array of `{ id, name }`.
[<RequireQualifiedAccess>]
module internal Polygons =
    let private bounds =
        { StrangerJson.standard with
            MostBytes = 256L * 1024L * 1024L
            MostTokens = 40_000_000
        }

    /// Corners of one polygon: more than a hand draws.
    let private mostCorners = 20_000

    /// How far a corner may lie from the picture's first pixel, in pixels.
    let private farthest = 1e6

    let private text (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.String -> Option.ofObj (value.GetString())
        | _ -> None

    let private items (element: JsonElement) =
        if element.ValueKind = JsonValueKind.Array then
            List.ofSeq (element.EnumerateArray())
        else
            []

    let private list (element: JsonElement) (name: string) =
        match element.TryGetProperty name with
        | true, value -> items value
        | false, _ -> []

    let private refuse path what =
        McdrlError.data $"this can't be read: {what}" path "Give the published file"

    let private opened (path: string) (read: JsonElement -> Result<'a, McdrlError>) =
        StrangerJson.ofFile bounds (refuse path) path (fun root ->
            if root.ValueKind = JsonValueKind.Array then
                read root
            else
                Error(McdrlError.data "the file does not hold an array" path "Give the published file"))

    let private names path =
        opened path (fun root ->
            items root
            |> List.choose (fun label ->
                Option.map2 (fun id name -> id, name) (text label "id") (text label "name"))
            |> Map.ofList
            |> Ok)

    let private corners (annotation: JsonElement) =
        [|
            for point in list annotation "data" do
                match point.TryGetProperty "x", point.TryGetProperty "y" with
                | (true, x), (true, y) when
                    x.ValueKind = JsonValueKind.Number && y.ValueKind = JsonValueKind.Number
                    ->
                    x.GetDouble(), y.GetDouble()
                | _ -> ()
        |]

    /// Reads all polygons that surround something of `wanted`; what else is annotated is passed over. A polygon of
    /// fewer than three corners is an error.
    let read
        (annotations: string)
        (labels: string)
        (wanted: string -> bool)
        : Result<Polygon list, McdrlError> =
        names labels
        |> Result.bind (fun names ->
            opened annotations (fun root ->
                let found =
                    [
                        for annotation in items root do
                            let surrounded =
                                list annotation "label_ids"
                                |> List.choose (fun id ->
                                    if id.ValueKind = JsonValueKind.String then
                                        Option.ofObj (id.GetString())
                                        |> Option.bind (fun id -> Map.tryFind id names)
                                    else
                                        None)
                                |> List.filter wanted

                            match surrounded, text annotation "object_id" with
                            | _ :: _, Some image ->
                                {
                                    Image = image
                                    Names = surrounded
                                    Corners = corners annotation
                                }
                            | _ -> ()
                    ]

                let refuse (polygon: Polygon) what =
                    Error(
                        McdrlError.data
                            $"the polygon of image {polygon.Image} has {what}"
                            annotations
                            "Give the published file"
                    )

                let isFar (x: float, y: float) =
                    not (abs x <= farthest && abs y <= farthest)

                let isWrong (polygon: Polygon) =
                    polygon.Corners.Length < 3
                    || polygon.Corners.Length > mostCorners
                    || Array.exists isFar polygon.Corners

                match List.tryFind isWrong found with
                | Some polygon when Array.exists isFar polygon.Corners ->
                    refuse polygon $"a corner farther than {farthest} pixels away"
                | Some polygon -> refuse polygon $"{polygon.Corners.Length} corners, not 3 to {mostCorners}"
                | None -> Ok found))

    /// Twice the surrounded area, in square pixels.
    let private doubleArea (corners: (float * float)[]) =
        let next i = corners[(i + 1) % corners.Length]

        corners
        |> Array.mapi (fun i (x, y) ->
            let nextX, nextY = next i
            x * nextY - nextX * y)
        |> Array.sum
        |> abs

    /// Calls `mark x y` for every pixel on the outline or inside by the even-odd rule, within the picture. Corners are
    /// cut to whole pixels, as the dataset's own masks are made.
    let private fill width height (corners: (float * float)[]) mark =
        let whole = corners |> Array.map (fun (x, y) -> truncate x, truncate y)

        let edges =
            whole |> Array.mapi (fun i corner -> corner, whole[(i + 1) % whole.Length])

        let marked x y =
            if x >= 0 && x < width && y >= 0 && y < height then
                mark x y

        for y in 0 .. height - 1 do
            let crossings =
                edges
                |> Array.choose (fun ((x0, y0), (x1, y1)) ->
                    if (y0 <= float y) <> (y1 <= float y) then
                        Some(x0 + (float y - y0) / (y1 - y0) * (x1 - x0))
                    else
                        None)
                |> Array.sort

            for pair in Array.chunkBySize 2 crossings do
                if pair.Length = 2 then
                    for x in max 0 (int (ceil pair[0])) .. min (width - 1) (int (floor pair[1])) do
                        marked x y

        for (x0, y0), (x1, y1) in edges do
            let steps = int (max (abs (x1 - x0)) (abs (y1 - y0)))

            // An outline much longer than the picture lies outside it.
            for step in 0 .. min steps (16 * (width + height)) do
                let t = if steps = 0 then 0.0 else float step / float steps
                marked (int (round (x0 + t * (x1 - x0)))) (int (round (y0 + t * (y1 - y0))))

    /// A label map with each polygon filled with its label, the smaller above the larger, so that none hides another
    /// that lies within it.
    let draw (width: int) (height: int) (polygons: (byte * (float * float)[]) list) : LabelMap =
        let labels = Array.zeroCreate<byte>(width * height)

        for label, corners in polygons |> List.sortByDescending (snd >> doubleArea) do
            fill width height corners (fun x y -> labels[y * width + x] <- label)

        {
            Width = width
            Height = height
            Labels = labels
        }
