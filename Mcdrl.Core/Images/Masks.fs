namespace Mcdrl

open System
open System.IO

/// Mask files: one label value a pixel, read exactly as stored.
[<RequireQualifiedAccess>]
module Masks =
    let private coloured where =
        Error(
            McdrlError.data
                "the mask is a colour image whose red, green and blue differ, so its labels are not defined"
                where
                "Save the mask as an 8-bit grey or palette PNG with one label value a pixel"
        )

    /// Red of each pixel if green and blue agree with it.
    let private grey where channels (samples: byte[]) =
        let pixels = samples.Length / channels

        let isGrey pixel =
            let first = samples[pixel * channels]
            samples[pixel * channels + 1] = first && samples[pixel * channels + 2] = first

        if channels >= 3 && not (Seq.forall isGrey (seq { 0 .. pixels - 1 })) then
            coloured where
        else
            Ok(Array.init pixels (fun pixel -> samples[pixel * channels]))

    /// Whether it is the alpha channel alone that says what is marked: one value everywhere, not opaque everywhere.
    let private isMarkedByAlpha (raster: PngRaster) (labels: byte[]) =
        let alpha pixel =
            raster.Samples[(pixel + 1) * raster.Channels - 1]

        raster.Channels % 2 = 0
        && labels.AsSpan().IndexOfAnyExcept labels[0] < 0
        && Seq.exists (fun pixel -> alpha pixel < 255uy) (seq { 0 .. labels.Length - 1 })

    let private requireLabels where raster labels =
        if isMarkedByAlpha raster labels then
            Error(
                McdrlError.data
                    $"the mask has the value {labels[0]} in every pixel, and what is marked may be in its alpha channel, which is not read"
                    where
                    "Save the mask without transparency, as an 8-bit grey or palette PNG with one label value a pixel"
            )
        else
            Ok labels

    /// Reads the label values of a PNG mask: 8-bit grey, palette (the index is the label) or 1-, 2-, 4-bit
    /// grey (the stored number is the label). A colour PNG is read if red, green and blue agree in every pixel;
    /// alpha is ignored, and a mask that only its alpha marks is refused. 16-bit masks, real colour and other formats are refused, since labels
    /// would be lost. An orientation that the mask's own EXIF states is not used.
    let decode limits where (bytes: byte[]) : Result<LabelMap, McdrlError> =
        if bytes.Length = 0 then
            Error(McdrlError.data "the file is empty" where "Replace the file with an intact copy")
        elif not (Png.isPng bytes) then
            Error(
                McdrlError.data
                    "the mask is not a PNG file; a lossy format would change its labels"
                    where
                    "Save the mask as PNG, or declare a threshold for a mask of two values (\"threshold\": 128 in dataset.json)"
            )
        else
            Png.decode limits where bytes
            |> Result.bind (fun raster ->
                let labels =
                    if raster.Channels = 1 then
                        Ok raster.Samples
                    else
                        grey where raster.Channels raster.Samples

                labels
                |> Result.bind (requireLabels where raster)
                |> Result.map (fun labels ->
                    {
                        Width = raster.Width
                        Height = raster.Height
                        Labels = labels
                    }))

    /// Reads a mask of two values from any image format: brightness above `threshold` becomes `above`, the
    /// rest `below`. The map keeps the file's own orientation.
    let decodeThreshold limits where (threshold: byte) (below: byte, above: byte) (bytes: byte[]) =
        let transparent =
            // An 8-bit PNG with an alpha channel.
            Png.isPng bytes
            && bytes.Length > 25
            && bytes[24] = 8uy
            && (bytes[25] = 4uy || bytes[25] = 6uy)

        let alpha =
            if transparent then
                Png.decode limits where bytes
                |> Result.bind (fun raster ->
                    let pixels = raster.Width * raster.Height

                    requireLabels
                        where
                        raster
                        (Array.init pixels (fun pixel -> raster.Samples[pixel * raster.Channels])))
                |> Result.map ignore
            else
                Ok()

        alpha
        |> Result.bind (fun () -> Images.decode limits where bytes)
        |> Result.map (fun picture ->
            LabelMap.inFile
                picture.Orientation
                {
                    Width = picture.Width
                    Height = picture.Height
                    Labels =
                        Array.init (picture.Width * picture.Height) (fun pixel ->
                            if Luma.level picture pixel > int threshold then
                                above
                            else
                                below)
                })

    let private packed (red: byte, green: byte, blue: byte) =
        (int red <<< 16) ||| (int green <<< 8) ||| int blue

    /// Width, height and the packed colour of every pixel of a PNG as it is stored.
    let private coloursOf limits where (bytes: byte[]) : Result<int * int * (int -> int), McdrlError> =
        if bytes.Length > 25 && Png.isPng bytes && bytes[25] = 3uy then
            Images.decode limits where bytes
            |> Result.map (fun picture ->
                let width, height =
                    Orientation.size picture.Orientation (picture.Width, picture.Height)

                let file = Orientation.revert picture.Orientation 3 (width, height) picture.Rgb

                width,
                height,
                (fun pixel -> packed (file[pixel * 3], file[pixel * 3 + 1], file[pixel * 3 + 2])))
        else
            Png.decode limits where bytes
            |> Result.map (fun raster ->
                let at pixel channel =
                    raster.Samples[pixel * raster.Channels + channel]

                raster.Width,
                raster.Height,
                fun pixel ->
                    if raster.Channels < 3 then
                        packed (at pixel 0, at pixel 0, at pixel 0)
                    else
                        packed (at pixel 0, at pixel 1, at pixel 2))

    /// The colours, red, green and blue, that a PNG mask shows.
    let colours limits where (bytes: byte[]) : Result<(byte * byte * byte) list, McdrlError> =
        coloursOf limits where bytes
        |> Result.map (fun (width, height, colour) ->
            Seq.init (width * height) colour
            |> Seq.distinct
            |> Seq.sort
            |> Seq.map (fun packed -> byte (packed >>> 16), byte (packed >>> 8), byte packed)
            |> List.ofSeq)

    /// Reads a PNG mask by its colours, each of which means a label; alpha is ignored. A colour that means nothing is an error, and so
    /// is a lossy format, which would change colours. The map keeps the file's own orientation.
    let decodeColours
        limits
        where
        (meanings: ((byte * byte * byte) * byte) list)
        (bytes: byte[])
        : Result<LabelMap, McdrlError> =
        if bytes.Length = 0 then
            Error(McdrlError.data "the file is empty" where "Replace the file with an intact copy")
        elif not (Png.isPng bytes) then
            Error(
                McdrlError.data
                    "the mask is not a PNG file; a lossy format would change its colours"
                    where
                    "Save the mask as PNG"
            )
        else
            coloursOf limits where bytes
            |> Result.bind (fun (width, height, colour) ->
                let label =
                    meanings
                    |> List.map (fun (colour, label) -> packed colour, label)
                    |> readOnlyDict

                let unknown = System.Collections.Generic.Dictionary<int, int>()

                let labels =
                    Array.init (width * height) (fun pixel ->
                        let colour = colour pixel

                        match label.TryGetValue colour with
                        | true, label -> label
                        | false, _ ->
                            unknown[colour] <-
                                match unknown.TryGetValue colour with
                                | true, count -> count + 1
                                | false, _ -> 1

                            0uy)

                if unknown.Count = 0 then
                    Ok
                        {
                            Width = width
                            Height = height
                            Labels = labels
                        }
                else
                    let listed =
                        unknown
                        |> Seq.sortByDescending _.Value
                        |> Seq.truncate 10
                        |> Seq.map (fun found -> $"#{found.Key:x6} ({found.Value} pixels)")
                        |> String.concat ", "

                    let more =
                        if unknown.Count > 10 then
                            $" and {unknown.Count - 10} more"
                        else
                            ""

                    Error(
                        McdrlError.data
                            $"the mask holds the colours {listed}{more}, which mean nothing"
                            where
                            "Declare these colours under \"masks\" in dataset.json, as ignore if need be, or correct the mask; colours at soft edges come from a mask that was resized or saved as JPEG"
                    ))

    /// `decode` for a file.
    let read limits (path: string) =
        Files.read limits.MaxBytes path |> Result.bind (decode limits path)

    /// `decodeThreshold` for a file.
    let readThreshold limits threshold values (path: string) =
        Files.read limits.MaxBytes path
        |> Result.bind (decodeThreshold limits path threshold values)

    /// `decodeColours` for a file.
    let readColours limits meanings (path: string) =
        Files.read limits.MaxBytes path
        |> Result.bind (decodeColours limits path meanings)

    /// Writes `png` into a stream.
    let pngTo (stream: Stream) (map: LabelMap) : unit =
        Png.write stream map.Width map.Height (Some ClassColours.palette) map.Labels

    /// A map as an 8-bit palette PNG: the index is the label, shown in the colour of its class.
    let png (map: LabelMap) : byte[] =
        use memory = new MemoryStream()
        pngTo memory map
        memory.ToArray()

    /// `png` into a file.
    let write (path: string) (map: LabelMap) : Result<unit, McdrlError> =
        Files.writeAtomically path (fun stream -> pngTo stream map)

    /// `write` with colours of one's own, one a label.
    let writePalette
        (path: string)
        (colours: (byte * byte * byte)[])
        (map: LabelMap)
        : Result<unit, McdrlError> =
        Files.writeAtomically path (fun stream ->
            Png.write stream map.Width map.Height (Some colours) map.Labels)
