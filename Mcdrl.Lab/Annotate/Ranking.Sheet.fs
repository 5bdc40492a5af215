namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling
open Giraffe.ViewEngine
open SkiaSharp

/// The first frames of a ranking with the model's outlines, for who would rather look than read: an HTML page, or one PNG.
[<RequireQualifiedAccess>]
module RankingSheet =
    /// Frames that a sheet shows.
    let most = 200

    /// Pixels of a tile's width.
    let private width = 320

    let private nameOf (frame: RankedFrame) = nonNull (Path.GetFileName frame.Image)

    let private nats (value: float option) =
        value |> Option.map RankingFiles.nats |> Option.defaultValue "–"

    let private said (frame: RankedFrame) =
        [
            $"disagreement {nats frame.Disagreement}, near the lesion {nats frame.DisagreementNearLesion}"
            $"entropy {RankingFiles.nats frame.Entropy}, near the lesion {RankingFiles.nats frame.EntropyNearLesion}"
            if frame.Alike > 0 then
                $"{frame.Alike} more like it"
        ]

    let private page (kind: string) (tiles: (RankedFrame * PageImage) list) =
        Page.render
            "Frames to annotate first"
            [
                h1 [] [ str "Frames to annotate first" ]
                p [ _class "notice" ] [ str $"Mcdrl {Product.release}. {Product.notice}" ]
                Page.paragraph
                    $"The {tiles.Length} frames with the largest {kind}, in nats, the largest first. The outline is the model's answer, which is what to correct."
                div
                    [ _class "grid gallery" ]
                    [
                        for frame, image in tiles do
                            div
                                []
                                [
                                    Page.image image
                                    p [] [ strong [] [ str $"{frame.Place}  {nameOf frame}" ] ]
                                    for line in said frame do
                                        p [] [ str line ]
                                ]
                    ]
            ]
        |> Text.Encoding.UTF8.GetBytes
        |> Ok

    let private columns, private gap, private line = 4, 12, 18

    let private picture (tiles: (RankedFrame * PageImage) list) =
        let rows = tiles |> List.chunkBySize columns

        let heights =
            rows
            |> List.map (fun row ->
                gap + line * 4 + (row |> List.map (fun (_, image) -> image.Height) |> List.max))

        use surface =
            SKImageInfo(
                gap + columns * (width + gap),
                gap + List.sum heights,
                SKColorType.Rgba8888,
                SKAlphaType.Opaque
            )
            |> SKSurface.Create

        let canvas = surface.Canvas
        canvas.Clear(SKColor(20uy, 23uy, 26uy))

        for top, row in List.zip (List.scan (+) gap heights |> List.truncate rows.Length) rows do
            for column, (frame, image) in List.indexed row do
                let left = gap + column * (width + gap)
                use drawn = SKImage.FromEncodedData image.Bytes
                canvas.DrawImage(drawn, float32 left, float32 top, SKSamplingOptions.Default)

                for index, words in List.indexed ($"{frame.Place}  {nameOf frame}" :: said frame) do
                    use font = Drawing.fontFor words 13f

                    Drawing.write
                        canvas
                        (SKColor(232uy, 235uy, 238uy))
                        13f
                        SKTextAlign.Left
                        (float32 left)
                        (float32 (top + image.Height + line * (index + 1)))
                        (Drawing.fitted font (float32 width) words)

        Drawing.encode "the sheet" surface

    /// How a sheet of this name is drawn; a `Usage` error for an ending other than .html and .png.
    let private form (path: string) =
        match (nonNull (Path.GetExtension path)).ToLowerInvariant() with
        | ".html"
        | ".htm" -> Ok page
        | ".png" -> Ok(fun _ tiles -> picture tiles)
        | _ ->
            Error(McdrlError.usage "a sheet is an .html or a .png" path "Give the file one of these endings")

    /// A `Usage` error for a file that is named otherwise than a sheet.
    let check (path: string) : Result<unit, McdrlError> = form path |> Result.map ignore

    let private tile engine (frame: RankedFrame) =
        result {
            let! picture = Images.read ImageLimits.standard frame.Image

            let! answer =
                Engine.segment engine None Marking.standard picture
                |> Result.mapError (McdrlError.mapWhere (fun where -> $"{frame.Image}: {where}"))

            let! image =
                PagePictures.outlined
                    width
                    $"{nameOf frame} with the model's outline"
                    picture
                    answer.Upright
                    None

            return frame, image
        }

    /// Draws the first frames, `most` at the most, with what the engine marks in them. `kind` is what they are ordered by, in words.
    let write (engine: Engine) (path: string) (kind: string) (frames: RankedFrame list) progress =
        result {
            let! draw = form path
            let frames = frames |> List.truncate most |> Array.ofList
            use _shared = engine.Share(Parallel.workers frames)

            let! tiles =
                Parallel.each
                    "drawing"
                    (fun (frame: RankedFrame) -> Guard.run frame.Image (fun () -> tile engine frame))
                    frames
                    progress

            let! tiles = McdrlError.complete tiles
            let! bytes = draw kind tiles
            do! Files.writeAtomically path (fun stream -> stream.Write(ReadOnlySpan bytes))
        }
