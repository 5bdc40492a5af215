namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type ExportCvatArgument =
    | [<MainCommand>] Images of path: string list
    | [<Unique>] Ranked of file: string
    | [<Unique>] Top of count: int
    | [<Unique>] Model of folder: string
    | [<Unique>] Out of place: string
    | [<Unique>] Recursive
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Images _ -> SegmentImages.imagesUsage
            | Ranked _ ->
                "a list that `mcdrl rank --out FILE.jsonl` wrote, in place of images; its paths are taken from the present folder."
            | Top _ -> "how many frames of the list become the task, the first ones. Default: all."
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: the one that comes with Mcdrl, for polyps in colonoscopy stills."
            | Out _ ->
                "the task: an archive if it ends in .zip, else a new folder, of the pictures and annotations.xml (CVAT for images 1.1). Default: task.zip."
            | Recursive -> "search folders in folders too; links are not followed."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl export cvat`
[<RequireQualifiedAccess>]
module ExportCvatVerb =
    let private usage what =
        Error(McdrlError.usage what "mcdrl export cvat" "Name images, or a list with --ranked")

    /// The images of the task, and a line about what is left out.
    let private chosen (arguments: ParseResults<ExportCvatArgument>) =
        match
            List.concat (arguments.GetResults ExportCvatArgument.Images),
            arguments.TryGetResult Ranked,
            arguments.TryGetResult ExportCvatArgument.Top
        with
        | [], None, _ -> usage "no image is named"
        | _ :: _, Some _, _ -> usage "both images and a list are named"
        | _ :: _, None, Some _ -> usage "--top is for a list"
        | _, _, Some top when top < 1 -> usage $"--top {top} leaves no frame"
        | [], Some file, top ->
            RankingFiles.images file
            |> Result.map (List.truncate (Option.defaultValue System.Int32.MaxValue top))
            |> Result.bind (fun images ->
                if images.IsEmpty then
                    Error(McdrlError.data "the list has no frame" file "Rank frames anew")
                else
                    Ok(images, []))
        | paths, None, None ->
            SegmentTargets.images (arguments.Contains ExportCvatArgument.Recursive) paths
            |> Result.map (fun (found, leftOut) -> List.map fst found, leftOut)

    let private run session (arguments: ParseResults<ExportCvatArgument>) =
        result {
            let! images, leftOut = chosen arguments

            let! folder =
                ModelFolder.orEmbedded session (arguments.TryGetResult ExportCvatArgument.Model)

            use! segmenter =
                Segmenter.load folder (arguments.GetResult(ExportCvatArgument.Device, "cpu"))

            List.iter (Session.warn session) leftOut

            let! made =
                ProgressBar.above session images.Length (fun session progress ->
                    CvatTask.write
                        (Segmenter.engine segmenter)
                        images
                        (arguments.GetResult(ExportCvatArgument.Out, "task.zip"))
                        (fun _ fault -> Session.warn session (Flags.describe fault))
                        progress)

            Session.say
                session
                $"{made.Frames} frames, {made.Marked} of them with marks to correct, in {made.Out}. {Product.notice}"

            Session.emit session (RecordJson.toObject made)
            return if made.Unread = 0 then 0 else 1
        }

    let verb =
        Verb.create<ExportCvatArgument>
            "export cvat"
            "makes a task for CVAT of frames and what a model marks in them, to be corrected"
            run
