namespace Mcdrl.Cli

open System.Globalization
open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

/// What `mcdrl deploy` is asked to divide among processes: a list's images, or an experiment's runs.
[<RequireQualifiedAccess>]
module DeployedWork =
    /// The flags that say something about a list's images alone.
    let private ofSegment (arguments: ParseResults<DeployArgument>) =
        [
            "--list", arguments.Contains List
            "--root", arguments.Contains Root
            "--model", arguments.Contains Model
            "--onnx", arguments.Contains Onnx
            "--mode", arguments.Contains Mode
            "--precision", arguments.Contains Precision
            "--threshold", arguments.Contains Threshold
            "--min-area", arguments.Contains Min_Area
            "--probabilities", arguments.Contains Probabilities
            "--explain", arguments.Contains Explain
        ]

    /// And about an experiment's runs alone.
    let private ofExperiment (arguments: ParseResults<DeployArgument>) =
        [
            "--data", arguments.Contains Data
            "--test", arguments.Contains Test
            "--tower", arguments.Contains Tower
            "--weights", arguments.Contains Weights
            "--text", arguments.Contains Text
            "--text-weights", arguments.Contains Text_Weights
            "--preset", arguments.Contains Preset
            "--config", arguments.Contains Config
            "--set", arguments.Contains Set
            "--seeds", arguments.Contains Seeds
            "--methods", arguments.Contains Methods
            "--protocol", arguments.Contains Protocol
            "--conditions", arguments.Contains Conditions
        ]

    let private refuseGiven work (flags: (string * bool) list) =
        match flags |> List.tryFind snd with
        | Some(flag, _) -> Error(McdrlError.usage $"it goes with {work}" flag "Leave it out")
        | None -> Ok()

    let private needed flag what (value: string option) =
        value
        |> Result.requireSome (
            McdrlError.usage $"{flag} is missing" "mcdrl deploy" $"Name {what}, as the processes see it"
        )

    let private device (arguments: ParseResults<DeployArgument>) =
        match arguments.TryGetResult Device with
        | None when arguments.GetResult(Gpus, 0) > 0 -> Some "cuda"
        | device -> device

    /// What is asked of each image, as words of `mcdrl segment`.
    let private asked (arguments: ParseResults<DeployArgument>) =
        let text flag (value: string option) =
            value |> Option.map (fun value -> [ flag; value ]) |> Option.defaultValue []

        let number (value: float) =
            value.ToString("R", CultureInfo.InvariantCulture)

        [
            yield! text "--mode" (arguments.TryGetResult Mode)
            yield! text "--device" (device arguments)
            yield! text "--precision" (arguments.TryGetResult Precision)
            yield! text "--threshold" (arguments.TryGetResult Threshold |> Option.map number)
            yield! text "--min-area" (arguments.TryGetResult Min_Area |> Option.map string)
            if arguments.Contains Probabilities then
                "--probabilities"
            if arguments.Contains Explain then
                "--explain"
        ]

    /// What a list that is here holds, in words and as a number; one that isn't is checked by whoever reads it.
    let private surveyList list parts (session: Session) =
        if File.Exists list then
            ImageList.survey Part.whole list (Progress.until session.Cancel)
            |> Result.map (fun found ->
                let share = (found.Images + int64 parts - 1L) / int64 parts
                $"{found.Images} images in {parts} parts: about {share} a part", Some found.Images)
        else
            Ok($"{list} is not here: it was not checked", None)

    let private segment (arguments: ParseResults<DeployArgument>) =
        result {
            do! refuseGiven "experiment" (ofExperiment arguments)
            let! list = arguments.TryGetResult List |> needed "--list" "the list"
            let list = Path.GetFullPath list
            let! _ = arguments.TryGetResult Mode |> Verb.valueOf "--mode" Marginalisation.parse

            let! _ =
                SegmentImages.request
                    (arguments.TryGetResult Threshold)
                    (arguments.GetResult(Min_Area, 0L))
                    false

            let! model =
                match arguments.TryGetResult Model, arguments.TryGetResult Onnx with
                | Some _, Some _ ->
                    Error(McdrlError.usage "--onnx doesn't go with --model" "mcdrl deploy" "Give one of them")
                | Some folder, None -> Ok(Some("--model", Path.GetFullPath folder))
                | None, Some file -> Ok(Some("--onnx", Path.GetFullPath file))
                | None, None -> Ok None

            let root =
                arguments.TryGetResult Root
                |> Option.map Path.GetFullPath
                |> Option.defaultWith (fun () -> nonNull (Path.GetDirectoryName list))

            return
                DeployWork.segment
                    list
                    root
                    (Path.GetFullPath(arguments.GetResult Out))
                    model
                    (asked arguments),
                surveyList list (arguments.GetResult Parts)
        }

    let private call name data (arguments: ParseResults<DeployArgument>) : ExperimentCall =
        {
            Name = name
            Data = data
            Test = arguments.TryGetResult Test
            Tower = arguments.TryGetResult Tower
            Weights = arguments.TryGetResult Weights
            Text = arguments.TryGetResult Text
            TextWeights = arguments.TryGetResult Text_Weights
            Preset = arguments.TryGetResult Preset
            Config = arguments.TryGetResult Config
            Assignments = arguments.GetResults Set
            Seeds = arguments.GetResult(Seeds, ExperimentCall.seeds)
            Methods = arguments.TryGetResult Methods
            Protocol = arguments.TryGetResult Protocol
            Conditions = arguments.TryGetResult Conditions
        }

    /// How many runs a dataset that is here comes to. A tower may leave methods out.
    let private surveyData (call: ExperimentCall) methods parts (_: Session) =
        if Directory.Exists call.Data then
            Dataset.load call.Data
            |> Result.map (fun dataset ->
                let sites = dataset.Sites.Length
                let runs = int64 methods * int64 sites * int64 call.Seeds

                $"{methods} methods, {sites} sites, {call.Seeds} seeds: up to {runs} runs in {parts} parts",
                Some runs)
        else
            Ok($"{call.Data} is not here: its runs were not counted", None)

    let private experiment name (arguments: ParseResults<DeployArgument>) =
        result {
            do! refuseGiven "segment" (ofSegment arguments)
            let! data = arguments.TryGetResult Data |> needed "--data" "the dataset's folder"
            let call = call name data arguments |> ExperimentCall.mapPaths Path.GetFullPath
            do! ExperimentCall.check call
            let! design = ExperimentCall.design call

            let places =
                [
                    for flag, path, isFolder in ExperimentCall.paths call do
                        if isFolder then
                            DeployPlace.folder flag path
                        else
                            DeployPlace.file flag path
                ]

            return
                DeployWork.experiment
                    (ExperimentCall.words call)
                    places
                    (Path.GetFullPath(arguments.GetResult Out))
                    (device arguments),
                surveyData call design.Methods.Length (arguments.GetResult Parts)
        }

    /// What the words after the engine ask for, and what is found of it here, in words and as a number of images or runs.
    let ofWords
        (words: string list)
        (arguments: ParseResults<DeployArgument>)
        : Result<DeployWork * (Session -> Result<string * int64 option, McdrlError>), McdrlError> =
        match words with
        | []
        | [ "segment" ] -> segment arguments
        | [ "experiment"; name ] -> experiment name arguments
        | [ "experiment" ] ->
            let names = ExperimentCatalogue.all |> List.map _.Name |> String.concat ", "

            Error(McdrlError.usage "it has no name" "mcdrl deploy … experiment" $"Name one of {names}")
        | ("segment" | "experiment") :: more ->
            let listed = String.concat " " more
            Error(McdrlError.usage "that is too much" $"mcdrl deploy … {listed}" "Leave it out")
        | word :: _ ->
            Error(
                McdrlError.usage
                    "that can't be done in parts"
                    $"mcdrl deploy … {word}"
                    (Spelling.hint [ "segment"; "experiment" ] word + "Choose segment or experiment")
            )
