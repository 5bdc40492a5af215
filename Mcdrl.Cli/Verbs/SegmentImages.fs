namespace Mcdrl.Cli

open System
open System.Diagnostics
open System.IO
open FsToolkit.ErrorHandling
open Mcdrl

/// What `segment` does with whatever engine computes.
[<RequireQualifiedAccess>]
module SegmentImages =
    /// Help of flags that every way to segment has.
    let imagesUsage =
        "images (PNG, JPEG, WebP, BMP, GIF, TIFF), folders of images (with --recursive the folders in them too), or patterns such as 'frames/*.png' and 'frames/**/*.png'."

    let recursiveUsage =
        "search folders in folders too, but not the one that results go to; links are not followed."

    let outUsage =
        "where masks, overlays and reports go, those of images in folders of a folder or pattern into folders of the same names. Default: segmented. Masks, probabilities and coordinates have the rows and columns of the image's file, overlays are upright; they differ where a photograph is stored turned (EXIF)."

    let probabilitiesUsage =
        "also write how probable a lesion is at each pixel, a 16-bit grey PNG of the image's size (65535 is 1), and each class where there are several."

    let thresholdUsage =
        "mark pixels that show a lesion with at least this probability, as the most probable class of lesion. Default: each pixel's most probable class, with one class 0.5."

    let minAreaUsage =
        "don't mark regions of fewer pixels of the image; 1 marks those of any size. Default 0: what the model says, most often any size."

    let formatUsage =
        $"write the masks in the formats of other tools too: {FormatNames.usage}"

    /// What is asked by these flags; what is out of range is a `Usage` error.
    let request threshold minArea probabilities : Result<SegmentRequest, McdrlError> =
        Marking.create threshold minArea
        |> Result.map (fun marking ->
            { SegmentFiles.standard with
                Marking = marking
                Probabilities = probabilities
            })

    let private describe (report: ImageReport) =
        let classes =
            report.Classes
            |> List.filter (fun found -> found.Area > 0L)
            |> List.map (fun found -> $"{found.Name} {100.0 * found.Share:F1} %%, score {found.Score:F2}")

        if classes.IsEmpty then
            let scores =
                report.Classes |> List.map (fun found -> $"{found.Name} {found.Score:F2}")

            $"""nothing marked, scores: {String.concat ", " scores}"""
        else
            String.concat "; " classes

    let private show session (target: SegmentTarget) (outcome: Result<ImageReport, McdrlError>) =
        match outcome with
        | Ok report ->
            Session.say session $"{target.Input}: {describe report}"

            if report.Pictures > 1 then
                Session.warn
                    session
                    $"{target.Input}: the file holds {report.Pictures} pictures (frames of an animation, or pages); the first is segmented"

            Session.emit session (RecordJson.toObject report)
        | Error fault ->
            Session.warn session (Flags.describe fault)

            Session.emit
                session
                (Json.object [ "image", Json.text target.Input; "error", Json.text (Flags.describe fault) ])

    /// What was segmented, as masks of the engine's classes that formats of other tools are written of; images are named as their results lie below `out`.
    let private named (out: string) (written: (SegmentTarget * ImageReport) seq) : NamedMask list =
        [
            for target, report in written do
                let folder = Path.GetDirectoryName(Path.GetRelativePath(out, target.Mask))

                {
                    Name = Path.Combine(nonNull folder, nonNull (Path.GetFileName target.Input))
                    Image = target.Input
                    Read =
                        fun () ->
                            Masks.read ImageLimits.standard target.Mask
                            |> Result.map (LabelMap.upright report.Orientation)
                }
        ]

    /// Writes what was segmented in these formats too.
    let also (formats: (string * MaskFormat) list) (out: string) (classes: string list) written =
        let masks = named out written

        let labels = classes |> List.mapi (fun index name -> byte (index + 1), name)

        if masks.IsEmpty then
            Ok()
        else
            formats
            |> List.traverseResultM (snd >> MaskFiles.write out labels masks)
            |> Result.ignore

    let onnxDeviceUsage =
        "what ONNX Runtime computes on: cpu, cuda, cuda:N or auto (CUDA where there is all that it needs). Default cpu."

    /// On the processor one of ONNX Runtime's threads an image where there are images enough, else as many as it likes.
    let byOnnx (device: string option) (file: string) images =
        result {
            let! device = OnnxDevice.parse (Option.defaultValue "cpu" device)

            let! exported =
                OnnxEngine.loadOn device file (if images < Environment.ProcessorCount then 0 else 1)

            return OnnxEngine.engine exported
        }

    /// Segments the targets by the engine that `load` makes for so many images, tells of each, of what the paths named hold besides (`leftOut`),
    /// and of all, and gives the exit code. `read` gives the picture of a target's input, and how many its file holds; `also` is given the engine's
    /// classes and what was written, when all is.
    let run
        session
        load
        read
        (also: string list -> (SegmentTarget * ImageReport) list -> Result<unit, McdrlError>)
        (request: SegmentRequest)
        (leftOut: string list)
        (targets: SegmentTarget list)
        (out: string)
        : Result<int, McdrlError> =
        result {
            let clock = Stopwatch.StartNew()
            let written = ResizeArray()
            List.iter (Session.warn session) leftOut

            do!
                ProgressBar.above session targets.Length (fun session progress ->
                    let finished target outcome =
                        outcome |> Result.iter (fun report -> written.Add((target, report)))
                        show session target outcome

                    result {
                        use! engine = load targets.Length
                        clock.Restart()

                        do! SegmentFiles.runReading read engine request targets finished progress
                        return! also engine.Classes (List.ofSeq written)
                    })

            let done' = written.Count
            let seconds = clock.Elapsed.TotalSeconds

            Session.say
                session
                $"{done'} of {targets.Length} images in {seconds:F1} s ({float done' / seconds:F1} a second), results in {out}. {Product.notice}"

            return if written.Count = targets.Length then 0 else 1
        }
