namespace Mcdrl.Cli

open System
open System.IO
open FsToolkit.ErrorHandling
open Mcdrl

/// What `segment --list` does with whatever engine computes: one part of a list of any length.
[<RequireQualifiedAccess>]
module SegmentList =
    let listUsage =
        "segment the images that this file lists, one path below --root a line, in place of images that are named. What was segmented is not done again: the same call goes on where an earlier one ended. Lines of JSON about all go to part-K.jsonl in --out; then `mcdrl merge`."

    let rootUsage =
        "the folder that the list's paths begin in. Default: the folder of the list."

    /// By these flags.
    type Asked =
        {
            List: string option
            Root: string option
            Parts: int option
            Part: int option
        }

    let none: Asked =
        {
            List = None
            Root = None
            Parts = None
            Part = None
        }

    /// The model that answers, as far as a plan tells of it.
    [<NoEquality; NoComparison>]
    type Model =
        {
            /// Its engine for so many images.
            Load: int -> Result<Engine, McdrlError>
            /// Digest of all that it is.
            Sha256: string
            Precision: string option
            Flips: string option
        }

    /// An exported file, which says all that it is, on a device.
    let ofOnnx (device: string option) (file: string) : Result<Model, McdrlError> =
        Files.sha256 file
        |> Result.map (fun digest ->
            {
                Load = SegmentImages.byOnnx device file
                Sha256 = digest
                Precision = None
                Flips = None
            })

    /// Where flags of lists are given without a list: they do nothing there.
    let refuseWithoutList (asked: Asked) : Result<unit, McdrlError> =
        [
            "--root", asked.Root.IsSome
            "--parts", asked.Parts.IsSome
            "--part", asked.Part.IsSome
        ]
        |> List.tryFind snd
        |> Option.map (fun (flag, _) ->
            Error(McdrlError.usage "it goes with --list" flag "Name a list of images, or leave it out"))
        |> Option.defaultValue (Ok())

    /// Images that are named, and flags, that don't go with a list.
    let refuseBesideList (images: string list) (others: (string * bool) list) : Result<unit, McdrlError> =
        match images, others |> List.filter snd |> List.map fst with
        | [], [] -> Ok()
        | image :: _, _ ->
            Error(
                McdrlError.usage
                    "images are named and listed"
                    image
                    "Name them in the list of --list, or leave that out"
            )
        | [], flags ->
            let listed = String.concat ", " flags

            Error(
                McdrlError.usage
                    $"--list doesn't go with {listed}"
                    "mcdrl segment"
                    "Leave it out, or name images in place of a list"
            )

    /// Of a call that names neither images nor a list.
    let noImages =
        McdrlError.usage
            "no image is named"
            "mcdrl segment"
            "Name images, folders or patterns, or a list of them with --list. See `mcdrl segment --help`"

    let private folderOf (list: string) =
        nonNull (Path.GetDirectoryName(Path.GetFullPath list))

    /// Segments the part that is asked for of a list into `out`. The exit code is 0 when the part is done, whatever single images came to:
    /// a scheduler would only begin it again.
    let run
        (session: Session)
        (asked: Asked)
        (list: string)
        (model: unit -> Result<Model, McdrlError>)
        (request: SegmentRequest)
        (out: string)
        : Result<int, McdrlError> =
        result {
            let! part = PartOfRun.ofFlags asked.Parts asked.Part
            let part = Option.defaultValue Part.whole part
            let root = Option.defaultWith (fun () -> folderOf list) asked.Root
            let progress = Progress.until session.Cancel
            let! survey = SegmentPart.survey part list root out progress
            let! listSha256 = Files.sha256 list
            let! model = model ()

            let plan: PartsPlan =
                {
                    Release = Product.release
                    List = Path.GetFullPath list
                    ListSha256 = listSha256
                    Images = survey.Images
                    Parts = part.Count
                    ModelSha256 = model.Sha256
                    Mode = request.Mode |> Option.map RecordJson.text
                    Threshold = request.Marking.Threshold
                    MinArea = request.Marking.MinArea
                    Explain = request.Explain
                    Probabilities = request.Probabilities
                    Precision = model.Precision
                    Flips = model.Flips
                }

            let partRequest: PartRequest =
                {
                    List = list
                    Root = root
                    Out = out
                    Part = part
                    Segment = request
                    Plan = plan
                }

            // One thread an image, however few there are.
            let load () = model.Load Environment.ProcessorCount

            let! found =
                ProgressBar.above session (int survey.InPart) (fun session progress ->
                    let told path fault =
                        Session.warn session $"{path}: {Flags.describe fault}"

                    SegmentPart.run load partRequest survey.InPart told progress)

            let segmented = found.Images - found.Failed

            let before =
                if found.Reused > 0L then
                    $", {found.Reused} of them before"
                else
                    ""

            Session.say
                session
                $"{part}: {segmented} of {found.Images} images segmented{before}, in {PartFiles.lines out part.Index} and beside it. {Product.notice}"

            Session.emit
                session
                (Json.object
                    [
                        "part", Json.whole (int64 part.Index)
                        "parts", Json.whole (int64 part.Count)
                        "images", Json.whole found.Images
                        "failed", Json.whole found.Failed
                        "reused", Json.whole found.Reused
                        "seconds", Json.number found.Seconds
                        "machine", Json.text found.Machine
                        "lines", Json.text (PartFiles.lines out part.Index)
                    ])

            return 0
        }
