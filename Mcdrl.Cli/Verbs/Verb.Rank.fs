namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type RankArgument =
    | [<MainCommand; Mandatory>] Images of path: string list
    | [<Unique>] Model of folder: string
    | [<Unique>] By of kind: string
    | [<Unique>] Top of count: int
    | [<Unique>] Distinct
    | [<Unique>] Labelled of folder: string
    | [<Unique>] Recursive
    | [<Unique>] Out of file: string
    | [<Unique>] Sheet of file: string
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Images _ -> SegmentImages.imagesUsage
            | Model _ ->
                "the model's folder (RUN/model of a training run). Default: the one that comes with Mcdrl, for polyps in colonoscopy stills."
            | By _ ->
                "disagreement (I(Y;Z|F): how much the answer depends on the imaging condition), entropy, each a mean over the whole frame, or disagreement-near-lesion, entropy-near-lesion, over the lesion that is marked and a margin around it. Default: disagreement."
            | Top _ -> "how many frames are listed, those of which the model is least sure. Default: all."
            | Distinct -> "leave out frames that look like one further up, as neighbours in a video do."
            | Labelled _ -> "a dataset; frames that it has, byte for byte, are left out."
            | Recursive -> "search folders in folders too; links are not followed."
            | Out _ -> "a file for the list: .csv, or .jsonl, from which `mcdrl export cvat` takes it."
            | Sheet _ ->
                "a contact sheet of the first frames (200 at most) with what the model marks in them: .html or .png."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl rank`
[<RequireQualifiedAccess>]
module RankVerb =
    let private table session (kind: string) (frames: RankedFrame list) =
        let line = Session.say session
        let optional = Option.map RankingFiles.nats >> Option.defaultValue "–"
        line $"in nats, the largest {kind} first"
        line ""
        line "                disagreement              entropy"
        line "place      frame  near lesion      frame  near lesion  image"

        for frame in frames do
            let alike =
                if frame.Alike = 0 then
                    ""
                else
                    $" (and {frame.Alike} that look like it)"

            line
                $"{frame.Place, 5}{optional frame.Disagreement, 11}{optional frame.DisagreementNearLesion, 13}{RankingFiles.nats frame.Entropy, 11}{RankingFiles.nats frame.EntropyNearLesion, 13}  {frame.Image}{alike}"

    /// A model that doesn't intervene gives the same answer under every condition.
    let private requireKind (kind: string) (segmenter: Segmenter) =
        if kind.StartsWith "entropy" || segmenter.Manifest.Active then
            Ok()
        else
            Error(
                McdrlError.usage
                    "this model's answers don't depend on conditions, since it doesn't intervene"
                    $"--by {kind}"
                    "Order by entropy or entropy-near-lesion"
            )

    let private run session (arguments: ParseResults<RankArgument>) =
        result {
            let kind = arguments.GetResult(By, defaultValue = "disagreement")

            let! by =
                Ranking.kind kind
                |> Result.mapError (McdrlError.mapWhere (fun kind -> $"--by {kind}"))

            let! most =
                match arguments.GetResult(Top, defaultValue = System.Int32.MaxValue) with
                | most when most > 0 -> Ok most
                | most -> Error(McdrlError.usage "no frame would be listed" $"--top {most}" "Give 1 or more")

            let out, sheet =
                arguments.TryGetResult RankArgument.Out, arguments.TryGetResult Sheet

            let! form = out |> Verb.valueOf "--out" RankingFiles.form
            let! _ = sheet |> Verb.valueOf "--sheet" RankingSheet.check

            let! found, leftOut =
                SegmentTargets.images
                    (arguments.Contains RankArgument.Recursive)
                    (List.concat (arguments.GetResults RankArgument.Images))

            let! images =
                match arguments.TryGetResult Labelled with
                | Some data -> Ranking.unlabelled data (List.map fst found)
                | None -> Ok(List.map fst found)

            do!
                if images.IsEmpty then
                    Error(McdrlError.usage "every frame is labelled" "--labelled" "Name other frames")
                else
                    Ok()

            for file in Option.toList out @ Option.toList sheet do
                do! Inputs.keep images file

            let! folder =
                ModelFolder.orEmbedded session (arguments.TryGetResult RankArgument.Model)

            use! segmenter =
                Segmenter.load folder (arguments.GetResult(RankArgument.Device, "cpu"))

            do! requireKind kind segmenter
            List.iter (Session.warn session) leftOut
            let unread = ref 0

            let! frames =
                ProgressBar.above session images.Length (fun session progress ->
                    Ranking.score
                        (Ranking.uncertainty segmenter)
                        (arguments.Contains Distinct)
                        images
                        (fun _ fault ->
                            unread.Value <- unread.Value + 1
                            Session.warn session (Flags.describe fault))
                        progress)

            let ranked = Ranking.order by (arguments.Contains Distinct) most frames

            match out, form with
            | Some file, Some form -> do! Files.writeText file (form ranked)
            | _ -> ()

            match sheet with
            | Some file ->
                do!
                    ProgressBar.during
                        session
                        (RankingSheet.write (Segmenter.engine segmenter) file kind ranked)
            | None -> ()

            if out.IsNone && not session.Json then
                table session kind ranked

            for frame in ranked do
                Session.emit session (RecordJson.toObject frame)

            let written =
                match Option.toList out @ Option.toList sheet with
                | [] -> ""
                | files -> ", in " + String.concat ", " files

            Session.say
                session
                $"{ranked.Length} of {images.Length} frames by {kind}{written}. {Product.notice}"

            return if unread.Value = 0 then 0 else 1
        }

    let verb =
        Verb.create<RankArgument>
            "rank"
            "orders unlabelled frames by how unsure a model is of them, those to annotate first"
            run
