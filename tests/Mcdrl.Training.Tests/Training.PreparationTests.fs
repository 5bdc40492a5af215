module Mcdrl.Tests.TrainingPreparationTests

open System.IO
open System.Threading
open Expecto
open Mcdrl

/// Two epochs on a frozen tower's features of two views of each frame, with the intervention on from the first.
let private settings =
    { World.settings with
        Optimiser =
            { World.settings.Optimiser with
                Epochs = 2
                ActivationEpoch = 0
            }
        Augmentation =
            { World.settings.Augmentation with
                Views = 2
            }
    }

/// The same with interventions grounded in features under conditions.
let private grounded =
    { settings with
        Method =
            { settings.Method with
                TrainingMode = Marginalisation.Sampled
                Marginalisation = Marginalisation.Exact
            }
        Loss = { settings.Loss with Grounding = 1.0 }
        Augmentation =
            { settings.Augmentation with
                Pairs = true
            }
    }

let private unaugmented (settings: Settings) =
    { settings with
        Augmentation =
            { Augmentation.none with
                Pairs = settings.Augmentation.Pairs
            }
    }

let private request folder out settings =
    { World.request folder out with
        Settings = settings
    }

let private shared folder (request: TrainRequest) =
    { request with
        Prepared = Some(Path.Combine(folder, "shared"))
    }

let private weightsOf (request: TrainRequest) =
    Outcome.ok (Files.sha256 (Path.Combine(Bundle.ofRun request.Out, "weights.safetensors")))

/// What training came to, its weights and the stages it went through.
let private trained (request: TrainRequest) =
    let mutable stages = Set.empty
    let tell (progress: ProgressStep) = stages <- stages.Add progress.Stage
    let outcome = Outcome.ok (Trainer.train request { Progress.none with Tell = tell })
    outcome, weightsOf request, stages

/// Name, size and time of every file that runs share.
let private filesOf (request: TrainRequest) =
    DirectoryInfo(Option.get request.Prepared).GetFiles()
    |> Array.filter (fun file -> file.Extension = ".bin")
    |> Array.map (fun file -> file.Name, file.Length, file.LastWriteTimeUtc)
    |> Array.sort

let private preparing = set [ "preparing frames"; "computing tower features" ]

let tests =
    testSequenced (
        testList
            "Training.Preparation"
            [
                testCase "runs without other sites share what is prepared: the second makes nothing anew"
                <| fun () ->
                    World.within (fun folder ->
                        let first = shared folder (request folder "c" settings)

                        let second =
                            shared
                                folder
                                { request folder "a" settings with
                                    LeaveOut = Some "a"
                                }

                        let _, _, stages = trained first
                        Expect.containsAll stages preparing "made"
                        let files = filesOf first

                        Expect.equal
                            [ for name, _, _ in files -> name.Split('-')[0] ]
                            [ "features"; "features"; "frames" ]
                            "features to train on and to validate on, and frames, of the whole dataset"

                        let _, _, stages = trained second
                        Expect.isEmpty (Set.intersect preparing stages) "found"
                        Expect.equal (filesOf second) files "untouched")

                testCase "what is prepared for itself and what is shared come to the same weights"
                <| fun () ->
                    World.within (fun folder ->
                        for name, settings in
                            [ "views", settings; "grounded", grounded; "new views", World.settings ] do
                            // With the first site left out, frames lie at other places in the shared file.
                            let own =
                                { request folder $"own {name}" settings with
                                    LeaveOut = Some "a"
                                }

                            let others =
                                shared
                                    folder
                                    { own with
                                        Out = Path.Combine(folder, $"shared {name}")
                                    }

                            let report, weights, _ = trained own
                            let reportOfOthers, weightsOfOthers, _ = trained others
                            Expect.equal weightsOfOthers weights $"{name}: weights"

                            Expect.equal
                                (reportOfOthers.BestEpoch, reportOfOthers.ValidationDice)
                                (report.BestEpoch, report.ValidationDice)
                                $"{name}: validation"

                            Expect.isFalse
                                (Directory.Exists(Run.preparedFolder own.Out))
                                "its own is deleted at the end"

                            Expect.isFalse
                                (Directory.Exists(Run.preparedFolder others.Out))
                                "none of its own"

                            Expect.isNonEmpty (filesOf others) "what is shared is kept")

                testCase
                    "frames to train on and to validate on, as many and neither augmented, are not taken for each other"
                <| fun () ->
                    World.within (fun folder ->
                        let half =
                            { unaugmented settings with
                                Validation = 0.5
                            }

                        let own = request folder "own" half
                        let others = shared folder (request folder "others" half)
                        let outcome, weights, _ = trained own
                        let outcomeOfOthers, weightsOfOthers, _ = trained others
                        Expect.equal outcome.TrainingFrames outcome.ValidationFrames "as many"

                        let stopped = request folder "stopped" half
                        use stop = new CancellationTokenSource()

                        let tell (progress: ProgressStep) =
                            if progress.Stage = "training" then
                                stop.Cancel()

                        Expect.isError (Trainer.train stopped { Tell = tell; Cancel = stop.Token }) "stopped"

                        Expect.equal
                            (Directory.GetFiles(Run.preparedFolder stopped.Out, "features-*.bin")).Length
                            2
                            "a file for each"

                        Expect.equal outcome.ValidationDice outcomeOfOthers.ValidationDice "validation"
                        Expect.equal weights weightsOfOthers "weights")

                testCase "a seed's confounders are not another's, even where its frames are"
                <| fun () ->
                    World.within (fun folder ->
                        let run out seed =
                            { request folder out (unaugmented grounded) with
                                Seed = seed
                            }

                        let _, alone, _ = trained (run "own" 4UL)
                        let _, before, _ = trained (shared folder (run "before" 3UL))
                        let _, after, _ = trained (shared folder (run "after" 4UL))
                        Expect.notEqual before after "seeds"
                        Expect.equal after alone "whoever came first")

                testCase "grounded training on features kept in files is stopped and goes on bit for bit"
                <| fun () ->
                    World.within (fun folder ->
                        let whole = shared folder (request folder "whole" grounded)
                        let _, weights, stages = trained whole
                        Expect.isTrue (stages.Contains "computing features under conditions") "kept in files"

                        let _, ungrounded, _ =
                            trained (
                                shared
                                    folder
                                    (request folder "ungrounded" { grounded with Loss = settings.Loss })
                            )

                        Expect.notEqual ungrounded weights "they have a say"

                        for name, share in [ "shared", shared folder; "own", id ] do
                            let cut = share (request folder $"cut {name}" grounded)

                            for steps in [ 1; 4 ] do
                                use stop = new CancellationTokenSource()

                                let tell (progress: ProgressStep) =
                                    if progress.Stage = "training" && progress.Done = steps then
                                        stop.Cancel()

                                Expect.equal
                                    (Trainer.train
                                        { cut with Resume = steps > 1 }
                                        { Tell = tell; Cancel = stop.Token })
                                    (Error McdrlError.Cancelled)
                                    $"stopped after step {steps}"

                            let _, resumed, _ = trained { cut with Resume = true }
                            Expect.equal resumed weights "the same bytes")

                testCase "cancelled while features are computed: nothing half made is shared"
                <| fun () ->
                    World.within (fun folder ->
                        let run = shared folder (request folder "run" settings)
                        use stop = new CancellationTokenSource()

                        let tell (progress: ProgressStep) =
                            if progress.Stage = "computing tower features" then
                                stop.Cancel()

                        Expect.equal
                            (Trainer.train run { Tell = tell; Cancel = stop.Token })
                            (Error McdrlError.Cancelled)
                            "cancelled"

                        Expect.equal
                            [ for name, _, _ in filesOf run -> name.Split('-')[0] ]
                            [ "frames" ]
                            "frames alone"

                        let _, weights, _ = trained { run with Resume = true }

                        let _, expected, _ =
                            trained
                                { run with
                                    Out = Path.Combine(folder, "again")
                                }

                        Expect.equal weights expected "made whole afterwards")
            ]
    )
