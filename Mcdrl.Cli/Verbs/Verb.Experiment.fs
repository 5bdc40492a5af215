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
            | Seeds _ -> "seeds 1 to this many. Default 3."
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
    let private isMini (arguments: ParseResults<ExperimentArgument>) =
        arguments.TryGetResult Tower = Some "mini"

    let private weights (arguments: ParseResults<ExperimentArgument>) =
        match arguments.TryGetResult Weights with
        | Some path -> Ok path
        | None when isMini arguments -> MiniWeights.folder ()
        | None ->
            Error(
                McdrlError.usage
                    "there are no weights"
                    "mcdrl experiment"
                    "Name them with --weights, or use --tower mini"
            )

    /// The shared settings as a function of further assignments, and how the report names them.
    let private settings (arguments: ParseResults<ExperimentArgument>) =
        let assignments = arguments.GetResults Set

        let file, preset = arguments.TryGetResult Config, arguments.TryGetResult Preset
        let fallback = if isMini arguments then "demo" else "best"

        let named =
            match file with
            | Some file -> $"settings of {Path.GetFileName file}"
            | None -> $"preset {Option.defaultValue fallback preset}"

        String.concat
            "; "
            (named
             :: (if assignments.IsEmpty then
                     []
                 else
                     [ String.concat ", " assignments ])),
        fun more -> Config.chosen "mcdrl experiment" file preset fallback (assignments @ more)

    let private chosen (arguments: ParseResults<ExperimentArgument>) (design: ExperimentDesign) =
        match arguments.TryGetResult Methods with
        | None -> Ok design
        | Some listed ->
            let wanted = listed.Split ',' |> Array.map _.Trim() |> List.ofArray
            let known = design.Methods |> List.map _.Key

            match wanted |> List.filter (fun key -> not (List.contains key known)) with
            | unknown :: _ ->
                let keys = String.concat ", " known

                Error(
                    McdrlError.usage
                        $"{design.Name} has no such method"
                        $"--methods {unknown}"
                        $"Choose some of {keys}"
                )
            | [] when not (List.contains design.Reference wanted) ->
                Error(
                    McdrlError.usage
                        $"{design.Reference}, which the others are compared with, is missing"
                        "--methods"
                        $"Add {design.Reference}"
                )
            | [] ->
                Ok
                    { design with
                        Methods =
                            design.Methods |> List.filter (fun method -> List.contains method.Key wanted)
                    }

    /// The call as it is typed, for the report.
    let private command (arguments: ParseResults<ExperimentArgument>) =
        let quoted (text: string) =
            if
                text
                |> Seq.exists (fun letter -> System.Char.IsWhiteSpace letter || letter = '"')
            then
                $"'{text}'"
            else
                text

        let given flag value =
            value |> Option.map (fun value -> $"{flag} {quoted value}") |> Option.toList

        [
            "mcdrl experiment"
            arguments.GetResult Name
            $"--data {quoted (arguments.GetResult Data)}"
            yield! given "--test" (arguments.TryGetResult Test)
            yield! given "--tower" (arguments.TryGetResult Tower)
            yield! given "--weights" (arguments.TryGetResult Weights)
            yield! given "--text" (arguments.TryGetResult Text)
            yield! given "--text-weights" (arguments.TryGetResult Text_Weights)
            yield! given "--preset" (arguments.TryGetResult Preset)
            yield! given "--config" (arguments.TryGetResult Config)
            for assignment in arguments.GetResults Set do
                $"--set {quoted assignment}"
            yield! given "--methods" (arguments.TryGetResult Methods)
            yield! given "--protocol" (arguments.TryGetResult Protocol)
            $"--seeds {arguments.GetResult(Seeds, defaultValue = 3)}"
        ]
        |> String.concat " "

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
            let! design = ExperimentCatalogue.find (arguments.GetResult Name)
            let! design = chosen arguments design
            let! part = partOf arguments
            let! weights = weights arguments

            let! protocol =
                Mcdrl.Protocol.parse (arguments.GetResult(Protocol, defaultValue = "imagewise"))

            let budget, settings = settings arguments
            let seeds = arguments.GetResult(Seeds, defaultValue = 3)

            do!
                if seeds >= 1 then
                    Ok()
                else
                    Error(McdrlError.usage "must be at least 1" "--seeds" "Give the number of seeds")

            let conditioned = arguments.TryGetResult Conditions

            do!
                if conditioned |> Option.forall (fun frames -> frames >= 1) then
                    Ok()
                else
                    Error(
                        McdrlError.usage
                            "must be at least 1"
                            "--conditions"
                            "Give the number of frames of each site, or leave it out"
                    )

            let request: ExperimentRequest =
                {
                    Design = design
                    Data = arguments.GetResult Data
                    Test = arguments.TryGetResult Test
                    Tower = arguments.TryGetResult Tower |> Option.filter ((<>) "mini")
                    Weights = weights
                    Text = arguments.TryGetResult Text
                    TextWeights = arguments.TryGetResult Text_Weights
                    Budget = [ budget ]
                    SettingsWith = settings
                    Seeds = seeds
                    Protocol = protocol
                    Conditioned = conditioned
                    Part = part
                    Out =
                        Path.GetFullPath(
                            arguments.GetResult(Out, defaultValue = Path.Combine("out", "experiments"))
                        )
                    Device = arguments.GetResult(Device, defaultValue = "cpu")
                    Command = command arguments
                }

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
