namespace Mcdrl.Cli

open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type TrainArgument =
    | [<Mandatory; Unique>] Data of folder: string
    | [<Unique>] Leave_Out of site: string
    | [<Unique>] Weights of path: string
    | [<Unique>] From of model: string
    | [<Unique>] Tower of name: string
    | [<Unique>] Text of file: string
    | [<Unique>] Text_Weights of folder: string
    | [<Unique>] Preset of name: string
    | [<Unique>] Config of file: string
    | Set of assignment: string
    | [<Mandatory; Unique>] Out of folder: string
    | [<Unique>] Prepared of folder: string
    | [<Unique>] Resume
    | [<Unique>] Seed of number: uint64
    | [<Unique>] Device of name: string
    | [<Unique>] Precision of name: string
    | [<Unique>] Store of name: string
    | [<Unique>] Checkpoint_Minutes of minutes: float
    | [<Unique>] Keep_Checkpoint

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Data _ -> "the dataset's folder, with a dataset.json."
            | Leave_Out _ -> "a site that is never looked at, to be evaluated on later."
            | Weights _ ->
                "the image tower's weights: a safetensors file, or a folder that holds one. With --from needed only where new texts need its text tower."
            | From _ ->
                "fine-tunes this model (a folder such as RUN/model) in place of starting from --weights: its weights, and its settings unless --preset, --config or --set say otherwise. Other classes need what makes texts: --weights, --text-weights or --text."
            | Tower _ ->
                "the tower that the weights must hold: RN50, ViT-B-16, ViT-L-14, resnet50 or resnet18. Default: whichever it is."
            | Text _ ->
                "an embeddings table of the prompts, for a tower without a text tower (resnet50, resnet18)."
            | Text_Weights _ ->
                "a sentence encoder in place of the table, so that any class word works: the folder of a BERT as Hugging Face publishes it (config.json, model.safetensors, vocab.txt), for instance all-MiniLM-L6-v2."
            | Preset _ ->
                "paper (as published) or best (what we recommend, the default where no model is fine-tuned)."
            | Config _ -> "a complete configuration file instead of a preset."
            | Set _ -> "changes one setting, key=value, for instance method.alpha=0.25. May be repeated."
            | Out _ -> "the run's folder: checkpoint, log, TensorBoard events and the model."
            | Prepared _ ->
                "a folder of prepared frames and features that several runs share and that is kept. Default: the run's own, deleted at its end."
            | Resume ->
                "goes on with the run in --out from its last checkpoint, bit for bit. A larger optimiser.epochs makes the run longer, one that has ended if it kept its checkpoint: the learning rate goes on along the cosine of the new length."
            | Seed _ -> "decides every random choice. Default 1."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."
            | Precision _ ->
                "auto, fp32 or bf16: what the model records that it is to be used in; not what training computes in (`optimiser.tower_precision`). Default fp32, or that of the model that is fine-tuned."
            | Store _ ->
                "f32 (the default), f16 or bf16: how the model's weights lie in its file. f16 halves it and is computed in fp32 all the same; bf16 is as small and less exact."
            | Checkpoint_Minutes _ -> "minutes between checkpoints within an epoch. Default 5."
            | Keep_Checkpoint ->
                "keeps the checkpoint when the run has ended, so that --resume can make it longer later; else it is removed."

/// `mcdrl train`
[<RequireQualifiedAccess>]
module TrainVerb =
    /// What the run starts from: weights, or the manifest of a model.
    let private start (arguments: ParseResults<TrainArgument>) =
        match arguments.TryGetResult From, arguments.TryGetResult Weights with
        | Some folder, _ -> Bundle.manifest folder |> Result.map Some
        | None, Some _ -> Ok None
        | None, None ->
            Error(
                McdrlError.usage
                    "neither --weights nor --from is given"
                    "mcdrl train"
                    "Name pretrained weights, or a model to fine-tune"
            )

    let private settings (arguments: ParseResults<TrainArgument>) (start: Manifest option) =
        match start, arguments.TryGetResult Config, arguments.TryGetResult Preset with
        | Some manifest, None, None ->
            Config.ofSettings (FineTuning.settings manifest) (arguments.GetResults Set)
        | _, config, preset -> Config.chosen "mcdrl train" config preset "best" (arguments.GetResults Set)

    /// What is said at once to who stops a run: the call that goes on with it.
    let private goOn (arguments: ParseResults<TrainArgument>) =
        let given = arguments.GetAllResults()

        let all =
            if List.contains Resume given then
                given
            else
                given @ [ Resume ]

        let words =
            arguments.Parser.PrintCommandLineArguments all
            |> Array.map ShellWord.quoted
            |> String.concat " "

        $"The run is saved where it stands. To go on with it: mcdrl train {words}"

    let private run (session: Session) (arguments: ParseResults<TrainArgument>) =
        result {
            let device = arguments.GetResult(Device, defaultValue = "cpu")
            let! start = start arguments
            let! settings = settings arguments start

            let! precision =
                PrecisionName.parse device (arguments.TryGetResult TrainArgument.Precision)

            let! store =
                arguments.TryGetResult Store
                |> Option.map WeightStorage.parse
                |> Option.defaultValue (Ok WeightStorage.F32)

            let from = arguments.TryGetResult From

            let request: TrainRequest =
                {
                    Data = arguments.GetResult Data
                    LeaveOut = arguments.TryGetResult Leave_Out
                    Tower = arguments.TryGetResult Tower
                    Weights = arguments.TryGetResult Weights |> Option.orElse from |> Option.defaultValue ""
                    From = from
                    Text = arguments.TryGetResult Text
                    TextWeights = arguments.TryGetResult Text_Weights
                    Settings = settings
                    Out = Path.GetFullPath(arguments.GetResult Out)
                    Prepared = arguments.TryGetResult Prepared |> Option.map Path.GetFullPath
                    Resume = arguments.Contains Resume
                    Seed = arguments.GetResult(Seed, defaultValue = 1UL)
                    Device = device
                    Precision =
                        precision
                        |> Option.orElse (start |> Option.map _.Precision)
                        |> Option.defaultValue Precision.Fp32
                    Store = store
                    CheckpointMinutes = arguments.GetResult(Checkpoint_Minutes, defaultValue = 5.0)
                    KeepCheckpoint = arguments.Contains Keep_Checkpoint
                }

            let isUsed site = Some site <> request.LeaveOut
            OrientationWarning.say session request.Data isUsed

            // A dataset that can't be read is told by who reads it next.
            Dataset.load request.Data
            |> Result.iter (fun dataset ->
                let used = dataset.Sites |> List.filter (fun site -> isUsed site.Name)
                ClassWarning.say session dataset used
                ExchangeWarning.say session settings used)

            use _told = session.Cancel.Register(fun () -> Session.warn session (goOn arguments))
            return! ProgressBar.during session (Trainer.train request)
        }
        |> Result.map (fun report ->
            report.Start
            |> Option.iter (fun start ->
                let listed = String.concat ", "
                Session.say session $"Started from {start.Model}. Taken: {listed start.Taken}."

                if not start.New.IsEmpty then
                    Session.say session $"New: {listed start.New}.")

            Session.say session $"Trained on {report.TrainingFrames} frames in {report.Seconds:F0} s."

            match report.ValidationDice with
            | Some dice ->
                Session.say
                    session
                    $"Epoch {report.BestEpoch} of {report.Epochs} kept: mean Dice {dice:F3} on {report.ValidationFrames} held-back frames of the training sites."
            | None ->
                Session.warn
                    session
                    $"Epoch {report.BestEpoch} of {report.Epochs} kept, chosen by nothing: no site has a frame to hold back. How good the model is, is not known."

            report.Prior
            |> Option.iter (fun prior ->
                let listed =
                    prior
                    |> Map.toSeq
                    |> Seq.sortByDescending snd
                    |> Seq.map (fun (condition, weight) -> $"{condition} {weight:F3}")
                    |> String.concat ", "

                Session.say session $"Prior: {listed}")

            Session.say session $"Model: {report.Bundle}"
            Session.emit session (RecordJson.toObject report)
            0)

    let verb =
        Verb.create<TrainArgument> "train" "trains on some sites of a dataset and writes a model" run
