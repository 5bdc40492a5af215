namespace Mcdrl

open System.Collections.Generic

/// Published mask files as label maps. A mask that its rule doesn't explain is an error, never a guess.
[<RequireQualifiedAccess>]
module internal ImportMasks =
    /// The largest share of a picture that may be neither black nor white. Soft edges cover less; a grey picture, more.
    let private greyShare = 0.05

    /// RGB distance from the nearest known colour above which a pixel is of no known colour. Half-way between black and
    /// a full colour, as beside every edge of a JPEG mask, is 128.
    let private farthest = 140.0

    /// The largest share of the marked pixels that may be of no known colour: where two classes touch, JPEG mixes them.
    let private foreignShare = 0.10

    let private unclear where what fix = Error(McdrlError.data what where fix)

    let private ofBrightness where above (picture: Picture) =
        let values = Array.init (picture.Width * picture.Height) (Luma.level picture)

        let grey =
            values |> Array.filter (fun value -> value > 63 && value < 192) |> Array.length

        let lowest, highest = Array.min values, Array.max values

        if float grey > greyShare * float values.Length then
            unclear
                where
                $"{100.0 * float grey / float values.Length:F0} %% of the mask is neither black nor white"
                "Give the published mask, not the image or a blend"
        elif highest <= above && highest > lowest then
            unclear
                where
                $"the mask's values reach from {lowest} to {highest}, so that nothing in it counts as marked (above {above})"
                "Give the published mask; one of values 0 and 1 must be made one of 0 and 255"
        else
            Ok(values |> Array.map (fun value -> if value > above then 1uy else 0uy))

    let private ofColours where (colours: (byte * byte * byte) list) (picture: Picture) =
        let known =
            (0uy, 0uy, 0uy) :: colours
            |> List.map (fun (red, green, blue) -> float red, float green, float blue)
            |> Array.ofList

        let mutable marked = 0
        let foreign = Dictionary<struct (int * int * int), int>()

        let label pixel =
            let red, green, blue =
                float picture.Rgb[pixel * 3],
                float picture.Rgb[pixel * 3 + 1],
                float picture.Rgb[pixel * 3 + 2]

            let distance (r, g, b) =
                (red - r) * (red - r) + (green - g) * (green - g) + (blue - b) * (blue - b)

            let mutable nearest = 0

            for k in 1 .. known.Length - 1 do
                if distance known[k] < distance known[nearest] then
                    nearest <- k

            let isForeign = sqrt (distance known[nearest]) > farthest

            if isForeign then
                let step value = int value / 32 * 32
                let colour = struct (step red, step green, step blue)

                foreign[colour] <-
                    match foreign.TryGetValue colour with
                    | true, seen -> seen + 1
                    | false, _ -> 1

            if nearest > 0 || isForeign then
                marked <- marked + 1

            byte nearest

        let labels = Array.init (picture.Width * picture.Height) label
        let count = Seq.sum foreign.Values

        if float count > foreignShare * float marked then
            let examples =
                foreign
                |> Seq.sortByDescending _.Value
                |> Seq.truncate 3
                |> Seq.map (fun found ->
                    let struct (red, green, blue) = found.Key
                    $"about ({red}, {green}, {blue}) in {found.Value}")
                |> String.concat ", "

            unclear
                where
                $"{count} pixels of the mask are of no known colour: {examples}"
                "Give the published mask"
        else
            Ok labels

    let private ofNumbers where (classes: int) (map: LabelMap) =
        let counts = LabelMap.histogram map

        let unknown =
            [
                for value in classes + 1 .. 255 do
                    if counts[value] > 0L then
                        $"{value} ({counts[value]} pixels)"
            ]

        if unknown.IsEmpty then
            Ok map
        else
            let listed = unknown |> List.truncate 10 |> String.concat ", "

            unclear
                where
                $"the mask holds the values {listed}, but only 0 to {classes} mean anything"
                "Give the published mask"

    let private numbers limits (path: string) =
        Files.read limits.MaxBytes path
        |> Result.bind (fun bytes ->
            if Tiff.isTiff bytes then
                Tiff.decode limits path bytes
                |> Result.bind (fun raster ->
                    if raster.Channels = 1 then
                        Ok
                            {
                                Width = raster.Width
                                Height = raster.Height
                                Labels = raster.Samples
                            }
                    else
                        unclear
                            path
                            "the mask is a colour picture, so its labels are not defined"
                            "Give the published mask")
            else
                Masks.decode limits path bytes)

    /// Reads a mask file by its rule, in the file's own orientation: label 0 is background, k the k-th of `classes`
    /// classes.
    let read limits (rule: MaskRule) (classes: int) (path: string) : Result<LabelMap, McdrlError> =
        let ofPicture (labels: Picture -> Result<byte[], McdrlError>) =
            ImportPictures.read limits path
            |> Result.bind (fun { Picture = picture } ->
                labels picture
                |> Result.map (fun labels ->
                    LabelMap.inFile
                        picture.Orientation
                        {
                            Width = picture.Width
                            Height = picture.Height
                            Labels = labels
                        }))

        match rule with
        | MaskRule.Bright above -> ofPicture (ofBrightness path (int above))
        | MaskRule.Colours colours -> ofPicture (ofColours path colours)
        | MaskRule.Numbers -> numbers limits path |> Result.bind (ofNumbers path classes)
