module Mcdrl.Tests.ExperimentTests

open System
open System.IO
open System.Threading
open System.Threading.Tasks
open Expecto
open TorchSharp
open Mcdrl

let private method key label changes : ExperimentMethod =
    {
        Key = key
        Label = label
        Note = ""
        Published = None
        NeedsTextTower = false
        Changes = changes
    }

let private mcdrl = method "mcdrl" "MCDRL" []

let private plain =
    method "plain" "Plain" [ "method.training_mode=never"; "loss.causal=0" ]

/// `plain` under another name.
let private twin =
    { plain with
        Key = "twin"
        Label = "Twin"
    }

let private prompted =
    { plain with
        Key = "prompted"
        Label = "Prompted"
        NeedsTextTower = true
    }

let private design methods : ExperimentDesign =
    {
        Name = "tiny"
        Title = "Tiny"
        Question = "Does it run?"
        Methods = methods
        Reference = "mcdrl"
        Figures = []
    }

/// Two epochs of three steps on features of a single view.
let private settings =
    { World.settings with
        Method =
            { World.settings.Method with
                Conditions = [ "blur"; "blood" ]
            }
        Optimiser =
            { World.settings.Optimiser with
                Epochs = 2
            }
        Augmentation =
            { World.settings.Augmentation with
                Views = 1
            }
    }

let private request folder out methods : ExperimentRequest =
    let shared = Path.Combine(folder, "settings.json")

    if not (File.Exists shared) then
        File.WriteAllText(shared, RecordJson.render settings)

    {
        Design = design methods
        Data = Path.Combine(folder, "data")
        Test = None
        Tower = None
        Weights = Path.Combine(folder, "tower.safetensors")
        Text = Some(Path.Combine(folder, "text.safetensors"))
        TextWeights = None
        Budget = [ "tiny settings" ]
        SettingsWith = Config.ofFile shared
        Seeds = 1
        Protocol = Protocol.Imagewise
        Conditioned = None
        Part = None
        Out = Path.Combine(folder, out)
        Device = "cpu"
        Command = "mcdrl experiment tiny"
    }

let private run request =
    Outcome.ok (Experiment.run request false Progress.none)

/// All that doesn't depend on the clock.
let private timeless (state: ExperimentState) =
    { state with
        Methods =
            state.Methods
            |> List.map (
                MethodRuns.mapRuns (fun run ->
                    { run with
                        TrainSeconds = 0.0
                        Milliseconds = 0.0
                    })
            )
    }

/// The state with its runs as text, in which what isn't defined equals itself.
let private comparable (state: ExperimentState) =
    { state with Methods = [] }, state.Methods |> List.map RecordJson.render

/// Every file of the experiment but locks, with its time.
let private filesOf (request: ExperimentRequest) =
    DirectoryInfo(request.Out).GetFiles("*", SearchOption.AllDirectories)
    |> Array.filter (fun file -> not (file.Name.Contains ".lease."))
    |> Array.map (fun file -> file.FullName, file.LastWriteTimeUtc)
    |> Array.sort

/// The runs that `Experiment.run` plans.
let private planned (request: ExperimentRequest) =
    let dataset = Outcome.ok (Dataset.load request.Data)
    let data = Outcome.ok (DatasetDigest.whole dataset CancellationToken.None)
    let methods, _ = Outcome.ok (ExperimentPlan.methods false request)

    ExperimentPlan.runs
        request
        methods
        dataset.Classes
        (dataset.Sites |> List.map _.Name)
        (data,
         data,
         Outcome.ok (Files.sha256 request.Weights),
         request.Text |> Option.map (Files.sha256 >> Outcome.ok))

let private until what (holds: unit -> bool) =
    let ends = DateTime.UtcNow.AddMinutes 20.0

    while not (holds ()) do
        if DateTime.UtcNow > ends then
            failtest $"never: {what}"

        Thread.Sleep 50

/// The number of a note's training step, as `Experiment.run` tells it.
let private stepOf (progress: ProgressStep) =
    let found = Text.RegularExpressions.Regex.Match(progress.Note, @"training (\d+)/")

    if found.Success then
        Some(int found.Groups[1].Value)
    else
        None

let private does =
    testCase "every run is done once; methods of equal settings share theirs; a second call does nothing"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl; plain; twin; prompted ]
            let mutable finished = []

            let tell (progress: ProgressStep) =
                finished <- (progress.Done, progress.Total) :: finished

            let state =
                Outcome.ok (Experiment.run request false { Progress.none with Tell = tell })

            Expect.equal (Set.ofList finished) (set [ for count in 0..5 -> count, 6 ]) "progress"
            Expect.isEmpty state.Failed "none failed"
            Expect.equal (state.Methods |> List.map _.Key) [ "mcdrl"; "plain"; "twin" ] "methods"
            Expect.equal state.LeftOut.Length 1 "one can't be run"
            Expect.stringContains state.LeftOut.Head "Prompted" "named"

            for method in state.Methods do
                Expect.equal (method.Runs |> List.map _.Site) [ "a"; "b"; "c" ] $"{method.Key}: sites"

                for run in method.Runs do
                    Expect.equal run.Method method.Key "under the method's name"
                    Expect.equal run.Images.Length 6 "every frame of the unseen site"

                    let findings = run.Images |> List.choose _.Findings
                    Expect.hasLength findings 6 "each with its findings"
                    Expect.all findings _.Calibration.IsNone "whose bins are summed"
                    Expect.equal (run.Calibration |> Option.map _.Frames) (Some 6) "over the run"

                    Expect.isTrue
                        (run.Images |> List.forall (fun image -> image.Site = run.Site))
                        "only those"

                    Expect.isGreaterThan run.Milliseconds 0.0 "timed"
                    Expect.isGreaterThan run.Parameters run.CausalParameters "counted"

            let runs key =
                (state.Methods |> List.find (fun method -> method.Key = key)).Runs

            Expect.equal
                [ for run in runs "twin" -> RecordJson.render { run with Method = "plain" } ]
                [ for run in runs "plain" -> RecordJson.render run ]
                "the same runs"

            Expect.notEqual
                [ for run in runs "mcdrl" -> run.ValidationDice, run.Images ]
                [ for run in runs "plain" -> run.ValidationDice, run.Images ]
                "methods differ"

            let facts = state.Facts
            Expect.equal (facts.Planned, facts.Sites, facts.Seeds) (6, [ "a"; "b"; "c" ], [ 1UL ]) "facts"
            Expect.equal (facts.Name, facts.Data, facts.Classes) ("tiny", "Discs", [ "polyp" ]) "facts"
            Expect.equal facts.Budget.Head "tiny settings" "budget"

            let folders = Directory.GetDirectories(ExperimentPlan.runsFolder request.Out)
            Expect.equal folders.Length 6 "a folder for each run"

            for folder in folders do
                for gone in [ Run.checkpointFile folder; Run.bestFile folder; Run.preparedFolder folder ] do
                    Expect.isFalse (Path.Exists gone) $"{gone}: not needed any more"

            let before = filesOf request
            let mutable told = 0

            let again =
                Outcome.ok (
                    Experiment.run
                        request
                        false
                        { Progress.none with
                            Tell = fun _ -> told <- told + 1
                        }
                )

            Expect.equal told 0 "nothing is trained or judged"
            Expect.equal (comparable again) (comparable state) "the same state, clock times and all"
            Expect.equal (filesOf request) before "no file is touched"

            let onMicro =
                run
                    { request with
                        Protocol = Protocol.Micro
                        Design = design [ plain; mcdrl ]
                    }

            Expect.equal
                (Directory.GetDirectories(ExperimentPlan.runsFolder request.Out))
                folders
                "under another protocol, they are judged again and not trained again"

            Expect.equal
                (onMicro.Methods |> List.map (fun method -> method.Runs.Length))
                [ 3; 3 ]
                "all of them")

let private readOnly =
    testCase "asked only for what is there, it does no run"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl; plain ]
            let fails _ = failtest "it works"

            let state =
                Outcome.ok (Experiment.run request true { Progress.none with Tell = fails })

            Expect.equal (state.Methods |> List.map _.Runs) [ []; [] ] "nothing yet"
            Expect.equal state.Facts.Planned 6 "planned"
            Expect.isFalse (Directory.Exists(ExperimentPlan.runsFolder request.Out)) "no run is begun")

let private resumed =
    testCase "stopped twice in the middle of training and begun again, it comes to the same"
    <| fun () ->
        World.within (fun folder ->
            let whole = request folder "whole" [ mcdrl; plain ]
            let cut = request folder "cut" [ mcdrl; plain ]

            // In the first run, and after the third of six.
            for finished, step in [ 0, 2; 3, 5 ] do
                use stop = new CancellationTokenSource()

                let tell (progress: ProgressStep) =
                    if progress.Done = finished && stepOf progress = Some step then
                        stop.Cancel()

                Expect.equal
                    (Experiment.run cut false { Tell = tell; Cancel = stop.Token }
                     |> Result.map ignore)
                    (Error McdrlError.Cancelled)
                    "stopped"

                let state = Outcome.ok (Experiment.run cut true Progress.none)

                Expect.equal
                    (state.Methods |> List.sumBy (fun method -> method.Runs.Length))
                    finished
                    "what was done before"

            let steps = ResizeArray()

            let tell progress =
                stepOf progress |> Option.iter steps.Add

            let state = Outcome.ok (Experiment.run cut false { Progress.none with Tell = tell })
            Expect.equal steps[0] 6 "it goes on where it was stopped"
            Expect.equal (comparable (timeless state)) (comparable (timeless (run whole))) "the same")

let private leased path : Lease =
    match Outcome.ok (Lease.tryTake (LeaseWatch Lease.standard) path) with
    | Ok lease -> lease
    | Error holder -> failtest $"%A{holder} holds {path}"

let private held =
    testCase "a run that another holds is left until it is free; the others are done meanwhile"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl ]
            let runs = planned request
            let first = runs.Head

            let holder = leased (Experiment.leaseOf request first)

            let working = Task.Run(fun () -> run request)

            until "the others are done" (fun () ->
                working.IsCompleted
                || runs.Tail |> List.forall (ExperimentRunning.isDone request))

            Expect.isFalse working.IsCompleted "it waits for the first"

            Expect.isFalse
                (Directory.Exists(ExperimentRunning.folderOf request first))
                "which it has not touched"

            (holder :> IDisposable).Dispose()
            Expect.isTrue (working.Wait(TimeSpan.FromMinutes 20.0)) "it ends"
            Expect.equal working.Result.Methods.Head.Runs.Length 3 "all are done"
            Expect.isEmpty working.Result.Failed "none failed")

let private heldAndStopped =
    testCase "waiting for a run that another holds is stopped"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl ]

            let holders = planned request |> List.map (Experiment.leaseOf request >> leased)

            use stop = new CancellationTokenSource(TimeSpan.FromSeconds 1.0)
            let outcome = Experiment.run request false (Progress.until stop.Token)
            Expect.equal (Result.map ignore outcome) (Error McdrlError.Cancelled) "stopped"

            for holder in holders do
                (holder :> IDisposable).Dispose())

let private together =
    testCase "two that work in one folder share the runs, and both come to all of them"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl; plain ]

            // Neither goes on before both have begun a run.
            use begins = new Barrier(2)

            let work () =
                Task.Factory.StartNew(
                    (fun () ->
                        let begun = ResizeArray()

                        let tell progress =
                            if stepOf progress = Some 1 then
                                begun.Add(progress.Note.Split(": ")[0])

                                if begun.Count = 1 then
                                    Expect.isTrue
                                        (begins.SignalAndWait(TimeSpan.FromMinutes 20.0))
                                        "the other begins one too"

                        let state =
                            Outcome.ok (Experiment.run request false { Progress.none with Tell = tell })

                        state, List.ofSeq begun),
                    TaskCreationOptions.LongRunning
                )

            let one, other = work (), work ()
            Task.WaitAll(one, other)
            let state, first = one.Result
            let again, second = other.Result
            Expect.equal (comparable again) (comparable state) "the same state, clock times and all"
            Expect.equal (Set.ofList (first @ second)).Count 6 "all six"
            Expect.equal (first.Length + second.Length) 6 "each by one of them")

let private fails =
    testCase "a run that fails is named with its reason, and the others are done"
    <| fun () ->
        World.within (fun folder ->
            let request =
                request
                    folder
                    "out"
                    [ method "spoilt" "Spoilt" [ """method.conditions=["blur","slime"]""" ]; mcdrl ]

            let state = run request
            Expect.equal (state.Methods |> List.map (fun method -> method.Runs.Length)) [ 0; 3 ] "others"
            Expect.equal state.Failed.Length 3 "at each site"

            for failed, site in List.zip (List.sort state.Failed) [ "a"; "b"; "c" ] do
                for part in [ "Spoilt"; $"{site} unseen"; "seed 1"; "not in the table" ] do
                    Expect.stringContains failed part "says what and why")

let private refusals =
    testCase "refused before any run"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl; plain ]

            let refused code parts request =
                Experiment.run request false Progress.none
                |> Result.map ignore
                |> Outcome.refusedWith code parts

                Expect.isFalse (Directory.Exists request.Out) "nothing is begun"

            { request with
                Weights = Path.Combine(folder, "missing.safetensors")
            }
            |> refused 3 [ "missing.safetensors" ]

            let described = Path.Combine(folder, "data", "dataset.json")
            let text = File.ReadAllText described
            let other = Path.Combine(folder, "other")
            World.writeDataset other

            File.WriteAllText(Path.Combine(other, "dataset.json"), text.Replace("\"c\": {", "\"d\": {"))

            { request with Test = Some other } |> refused 4 [ other; "“data”" ]
            let single = Path.Combine(folder, "single")
            World.writeDataset single
            let first = text.IndexOf("\"a\": {", StringComparison.Ordinal)
            let third = text.IndexOf("\"c\": {", StringComparison.Ordinal)

            File.WriteAllText(Path.Combine(single, "dataset.json"), text[.. first - 1] + text[third..])

            { request with Data = single } |> refused 4 [ "single site" ]

            { request with
                Design = design [ mcdrl; method "bad" "Bad" [ "method.alpha=7" ] ]
            }
            |> refused 2 [ "method.alpha" ])

let private judgedElsewhere =
    testCase "judged on another dataset: its frames, and the models are the same"
    <| fun () ->
        World.within (fun folder ->
            let request = request folder "out" [ mcdrl ]
            let here = run request
            let other = Path.Combine(folder, "other")
            World.writeDataset other

            // The unseen site's second frame is taken for its first.
            for site in [ "a"; "b"; "c" ] do
                for kind in [ "images"; "masks" ] do
                    let path number =
                        Path.Combine(other, site, kind, $"frame{number}.png")

                    File.Copy(path 1, path 0, true)

            let there = run { request with Test = Some other }

            for before, after in List.zip here.Methods.Head.Runs there.Methods.Head.Runs do
                Expect.equal after.ValidationDice before.ValidationDice "the same model"

                let dice (run: RunResult) =
                    run.Images |> List.map (fun image -> image.Score.Dice)

                let before, after = dice before, dice after
                Expect.equal after (before[1] :: before.Tail) "the first is now the second"

            Expect.notEqual there.Facts.Data here.Facts.Data "said in the facts")

/// Two sites that want to lie elsewhere, and one whose name commands a terminal.
let private hostileSites folder =
    let file = Path.Combine(folder, "data", "dataset.json")

    let text =
        File
            .ReadAllText(file)
            .Replace("\"a\": {", "\"../../../mcdrl-evil\": {")
            .Replace("\"b\": {", "\"/tmp/mcdrl-evil\": {")
            .Replace("\"c\": {", "\"c\\u0000\\u001b[31m\\u202e<script>\": {")

    File.WriteAllText(file, text)

let private robustness =
    testCase
        "figures under imaging conditions, of sites of whatever name: curves from sweeps that are kept, and nothing outside the folder"
    <| fun () ->
        World.within (fun folder ->
            hostileSites folder

            let request =
                { request folder "out" [ mcdrl ] with
                    Design =
                        { design [ mcdrl ] with
                            Name = "robustness"
                            Figures = [ ExperimentFigure.Robustness ]
                        }
                }

            let state = run request
            Expect.isEmpty state.Failed "all are done"

            let write () =
                Outcome.ok (ExperimentReporting.write request state Progress.none)

            let page = write ()
            Expect.equal (page.Curves |> List.map _.Method |> List.distinct) [ "MCDRL" ] "of the method"

            Expect.equal
                (page.Curves |> List.map _.Condition |> set)
                (Conditions.byName |> List.map fst |> set)
                "a curve a condition"

            for curve in page.Curves do
                Expect.equal
                    (curve.Points |> List.map _.Strength)
                    ExperimentRobustness.strengths
                    "rising strength"

                Expect.all curve.Points (fun point -> Double.IsFinite point.Dice.Mean) "Dice"

            let sweeps =
                DirectoryInfo(request.Out).GetFiles("sweep-*.json", SearchOption.AllDirectories)

            Expect.equal sweeps.Length 3 "kept"
            Expect.equal (write ()).Curves page.Curves "and read again"

            let parent = nonNull (Path.GetDirectoryName(folder: string))

            for place in [ parent; "/tmp"; nonNull (Path.GetDirectoryName parent) ] do
                Expect.isEmpty (Directory.GetFileSystemEntries(place, "mcdrl-evil*")) place

            let report =
                Path.Combine(ExperimentReporting.folderOf request, ExperimentReportFiles.pageName)

            let text = File.ReadAllText report

            for letter in "\000\u001b\u202e" do
                Expect.isFalse (text.Contains letter) "harmless on the page"

            Expect.isFalse (text.Contains "[31m\\u202e<script>") "no element")

let tests =
    testSequenced (
        testList
            "Experiment"
            [
                does
                readOnly
                resumed
                held
                heldAndStopped
                together
                fails
                refusals
                judgedElsewhere
                robustness
            ]
    )
