namespace Mcdrl

open System
open System.IO
open System.Text
open BitMiracle.LibTiff.Classic

/// Label maps as the pages of one TIFF file: 8-bit grey whose value is the label, without loss, each page named as its picture.
[<RequireQualifiedAccess>]
module TiffStack =
    /// The library would write what it complains about to the console.
    type private Quiet() =
        inherit TiffErrorHandler()
        override _.ErrorHandler(_, _, _, _) = ()
        override _.ErrorHandlerExt(_, _, _, _, _) = ()
        override _.WarningHandler(_, _, _, _) = ()
        override _.WarningHandlerExt(_, _, _, _, _) = ()

    let private set (tiff: Tiff) tag (value: obj) = tiff.SetField(tag, value) |> ignore

    /// The library writes a character as a byte: the name is handed to it in bytes of UTF-8.
    let private page (tiff: Tiff) (name: string) (map: LabelMap) =
        set tiff TiffTag.IMAGEWIDTH map.Width
        set tiff TiffTag.IMAGELENGTH map.Height
        set tiff TiffTag.BITSPERSAMPLE 8
        set tiff TiffTag.SAMPLESPERPIXEL 1
        set tiff TiffTag.PHOTOMETRIC Photometric.MINISBLACK
        set tiff TiffTag.COMPRESSION Compression.ADOBE_DEFLATE
        set tiff TiffTag.ROWSPERSTRIP map.Height
        set tiff TiffTag.SUBFILETYPE FileType.PAGE
        set tiff TiffTag.PAGENAME (Encoding.Latin1.GetString(Encoding.UTF8.GetBytes name))

        if
            tiff.WriteEncodedStrip(0, map.Labels, map.Labels.Length) < 0
            || not (tiff.WriteDirectory())
        then
            raise (IOException "the TIFF page can't be written")

    /// Writes a page for each mask. The packed pages are held in memory until all are there.
    let write (path: string) (masks: NamedMask list) : Result<unit, McdrlError> =
        NamedMasks.write path masks (fun stream maps ->
            Tiff.SetErrorHandler(Quiet()) |> ignore
            use memory = new MemoryStream()

            using (Tiff.ClientOpen(path, "w", memory, TiffStream())) (fun tiff ->
                for mask, map in maps do
                    page tiff (Printable.line mask.Name) map

                tiff.Flush() |> ignore
                memory.WriteTo stream))
