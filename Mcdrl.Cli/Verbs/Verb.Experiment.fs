namespace Mcdrl.Cli

open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type ExperimentArgument =
    | [<MainCommand; ExactlyOnce>] Name of name: string
    | [<Mandatory; Unique>] Data of folder: string
    | [<Unique>] Test of folder: string
    | [<Unique>] Tower of name: string
    | [<Unique>] Weights of path: string
    | [<Unique>] Text of file: string
    | [<Unique>] Text_Weights of folder: string
    | [<Unique>] Preset of name: string
    | [<Unique>] Config of file: string
    | Set of assignment: string
    | [<Unique>] Seeds of count: int
    | [<Unique>] Methods of keys: string
    | [<Unique>] Protocol of name: string
    | [<Unique>] Conditions of frames: int
    | [<Unique>] Out of folder: string
    | [<Unique>] Report_Only
    | [<Unique>] Device of name: string
    | [<Unique>] Parts of number: int
    | [<Unique>] Part of number: int

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Name _ ->
                ExperimentCatalogue.all
                |> List.map (fun design -> $"{design.Name} ({design.Question})")
                |> String.concat "; "
            | Data _ -> "the dataset's folder; each of its sites is left out in turn."
            | Test _ ->
                "a dataset with the same sites and classes to judge on instead, e.g. a phantom without confounding."
            | Tower _ ->
                "mini (the small CLIP that comes with Mcdrl), or the tower that --weights must hold: RN50, ViT-B-16, ViT-L-14, resnet50, resnet18. Default: whichever it is."
            | Weights _ ->
                "the tower's weights: a safetensors file, or a folder that holds one. Needed but for --tower mini."
            | Text _ ->
                "an embeddings table of the prompts, for a tower without a text tower (resnet50, resnet18)."
            | Text_Weights _ ->
                "a sentence encoder in place of the table, so that any class word works: the folder of a BERT as Hugging Face publishes it (config.json, model.safetensors, vocab.txt), for instance all-MiniLM-L6-v2."
            | Preset _ ->
                "what all methods share, a preset: demo (the default for mini), best (the default otherwise) or paper."
            | Config _ -> "a complete configuration file instead of a preset."
            | Set _ -> "changes one shared setting, key=value. May be repeated."
            | Seeds _ -> $"seeds 1 to this many. Default {ExperimentCall.seeds}."
            | Methods _ -> "only these methods, their keys with commas, e.g. baseline,mcdrl. Default: all."
            | Protocol _ -> "imagewise (the default), micro, pranet256 or bgfg."
            | Conditions _ ->
                "judges this many frames of each unseen site, evenly spaced, under the eight imaging conditions that can be done to their pixels, too: Dice as it is, robust Dice (the mean over the frame as it is and the conditions) and Dice under each."
            | Out _ ->
                "where runs and reports go. Runs that are done are kept and shared by all experiments there; several processes may work there together. Default: out/experiments."
            | Report_Only -> "does no run; writes the report from those that are done."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."
            | Parts _ ->
                $"{PartOfRun.partsUsage} Runs belong to parts by what they are; when all parts are done, the same call with --report-only in place of --parts writes the report."
            | Part _ -> PartOfRun.partUsage

/// `mcdrl experiment`
[<RequireQualifiedAccess>]
module ExperimentVerb =
    let private call (arguments: ParseResults<ExperimentArgument>) : ExperimentCall =
        {
            Name = arguments.GetResult Name
            Data = arguments.GetResult Data
            Test = arguments.TryGetResult Test
            Tower = arguments.TryGetResult Tower
            Weights = arguments.TryGetResult Weights
            Text = arguments.TryGetResult Text
            TextWeights = arguments.TryGetResult Text_Weights
            Preset = arguments.TryGetResult Preset
            Config = arguments.TryGetResult Config
            Assignments = arguments.GetResults Set
            Seeds = arguments.GetResult(Seeds, defaultValue = ExperimentCall.seeds)
            Methods = arguments.TryGetResult Methods
            Protocol = arguments.TryGetResult Protocol
            Conditions = arguments.TryGetResult Conditions
        }

    let private table session (report: ExperimentReport) =
        let say = Session.say session

        for line in ExperimentWording.lead report do
            say line

        ExperimentWording.unfinished report |> Option.iter say
        say ""
        let widest = report.Methods |> List.map _.Label.Length |> List.fold max 6
        let cell (text: string) = text.PadLeft 14

        let header = [ "mean"; "worst site" ] @ report.Facts.Sites |> List.map cell
        say ("Dice, %".PadRight(widest + 1) + String.concat "" header)

        for figures in report.Methods do
            let sites =
                figures.Sites
                |> List.map (fun site -> ExperimentWording.spread site.Scores.Dice)

            let worst =
                figures.Worst
                |> Option.map (fun worst -> ExperimentWording.spread worst.Dice)
                |> Option.defaultValue "–"

            let cells =
                ExperimentWording.spread figures.Average.Dice :: worst :: sites |> List.map cell

            say (figures.Label.PadRight(widest + 1) + String.concat "" cells)

    let private partOf (arguments: ParseResults<ExperimentArgument>) =
        if arguments.Contains Report_Only && arguments.Contains Parts then
            Error(McdrlError.usage "a report is of all parts" "--parts" "Leave --parts out, or --report-only")
        else
            PartOfRun.ofFlags (arguments.TryGetResult Parts) (arguments.TryGetResult ExperimentArgument.Part)

    let private leftOutOrFailed session (state: ExperimentState) =
        for reason in state.LeftOut do
            Session.say session $"Left out: {reason}."

        for failed in state.Failed do
            Session.warn session (Flags.spelt failed)

        if state.Failed.IsEmpty then 0 else 1

    /// The part's runs, and no report: other processes may be at work on theirs.
    let private runPart session (request: ExperimentRequest) (part: Part) =
        result {
            let! state = ProgressBar.during session (Experiment.run request false)

            let own =
                state.Runs
                |> List.filter (Experiment.isOwn request)
                |> List.distinctBy (fun run -> run.Key, run.Result)

            let finished = own.Length - state.Failed.Length

            Session.say
                session
                $"{part}: {finished} of its {own.Length} runs are done, of {state.Facts.Planned} in all. When all parts are, the same call with --report-only in place of --parts writes the report."

            Session.emit
                session
                (Json.object
                    [
                        "part", Json.whole (int64 part.Index)
                        "parts", Json.whole (int64 part.Count)
                        "runs", Json.whole (int64 own.Length)
                        "done", Json.whole (int64 finished)
                        "planned", Json.whole (int64 state.Facts.Planned)
                    ])

            return leftOutOrFailed session state
        }

    let private report session (arguments: ParseResults<ExperimentArgument>) request =
        result {
            let! state, page =
                ProgressBar.during session (fun progress ->
                    result {
                        let! state = Experiment.run request (arguments.Contains Report_Only) progress

                        let! found = ExperimentReporting.write request state progress
                        return state, found
                    })

            table session page.Report

            for report in Option.toList page.ClassAware do
                Session.say session ""
                Session.say session "Class-aware: a lesion must be called by its name too."
                table session report

            let code = leftOutOrFailed session state
            Session.say session ""

            Session.say
                session
                $"Open {Path.Combine(ExperimentReporting.folderOf request, ExperimentReportFiles.pageName)}"

            Session.emit session (RecordJson.toObject page.Report)
            return code
        }

    let private run session (arguments: ParseResults<ExperimentArgument>) =
        result {
            let! part = partOf arguments

            let! request =
                ExperimentCall.request
                    part
                    (arguments.GetResult(Out, defaultValue = Path.Combine("out", "experiments")))
                    (arguments.GetResult(Device, defaultValue = "cpu"))
                    (call arguments)

            if not (arguments.Contains Report_Only) then
                for data in request.Data :: Option.toList request.Test do
                    OrientationWarning.say session data (fun _ -> true)

            return!
                match part with
                | Some part -> runPart session request part
                | None -> report session arguments request
        }

    let verb =
        Verb.create<ExperimentArgument>
            "experiment"
            "the paper's tables and figures as runs, and their report"
            run
