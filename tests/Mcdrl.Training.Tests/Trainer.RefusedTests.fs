/// Trainings that are refused, or stopped before they begin.
module Mcdrl.Tests.TrainerRefusedTests

open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.TrainerTests

let tests =
    testSequenced
    <| testList
        "Trainer.Refused"
        [
            testCase "instance normalisation of a CLIP"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"

                    World.train
                        { request with
                            Settings =
                                { request.Settings with
                                    Method =
                                        { request.Settings.Method with
                                            InstanceNorm = Some 1
                                        }
                                }
                        }
                    |> Outcome.refusedWith 2 [ "method.instance_norm"; "resnet18"; "ViT" ])

            testCase "refused: training steps in bf16 with a CLIP tower"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"

                    World.train
                        { request with
                            Settings =
                                { request.Settings with
                                    Optimiser =
                                        { request.Settings.Optimiser with
                                            TowerPrecision = Some Precision.Bf16
                                        }
                                }
                        }
                    |> Outcome.refusedWith 2 [ "optimiser.tower_precision"; "resnet18"; "ViT" ])

            testCase "a run is resumed only with what it was started with; the differing keys are named"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    Expect.isError (interrupted 4 request) "cancelled"
                    let again = { request with Resume = true }

                    let optimiser =
                        { request.Settings.Optimiser with
                            LearningRate = 0.02
                            Epochs = 4
                        }

                    World.train
                        { again with
                            Settings =
                                { request.Settings with
                                    Optimiser = optimiser
                                }
                        }
                    |> Outcome.refusedWith
                        3
                        [ "settings.optimiser.learning_rate"; "settings.optimiser.epochs" ]

                    World.train { again with Seed = 4UL } |> Outcome.refusedWith 3 [ "in seed" ]

                    World.train { again with LeaveOut = Some "b" }
                    |> Outcome.refusedWith 3 [ "leave_out" ]

                    let another (path: string) =
                        let bytes = File.ReadAllBytes path
                        let other = Path.Combine(folder, "another.safetensors")
                        File.WriteAllBytes(other, Crafted.flip (bytes.Length - 7) bytes)
                        other

                    World.train
                        { again with
                            Weights = another again.Weights
                        }
                    |> Outcome.refusedWith 3 [ "in weights_sha256" ]

                    World.train
                        { again with
                            Text = Option.map another again.Text
                        }
                    |> Outcome.refusedWith 3 [ "text_sha256" ]

                    let side =
                        { request.Settings.Method with
                            InputSize = 64
                        }

                    World.train
                        { again with
                            Settings = { request.Settings with Method = side }
                        }
                    |> Outcome.refusedWith 3 [ "settings.method.input_size" ]

                    World.train request |> Outcome.refusedWith 2 [ "“resume”" ]
                    let description = Path.Combine(request.Data, "dataset.json")
                    let told = File.ReadAllText description

                    let swapped =
                        told.Replace("\"0\": \"b", "\"255\": \"b").Replace("\"255\": \"p", "\"0\": \"p")

                    File.WriteAllText(description, swapped)
                    World.train again |> Outcome.refusedWith 3 [ "data_sha256" ]
                    File.WriteAllText(description, told)
                    let frame = Path.Combine(request.Data, "a", "images", "frame1.png")
                    File.WriteAllBytes(frame, Crafted.png World.width World.height)
                    World.train again |> Outcome.refusedWith 3 [ "data_sha256" ])

            testCase "a checkpoint with a flipped bit"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    Expect.isError (interrupted 4 request) "cancelled"
                    let checkpoint = Run.checkpointFile request.Out
                    let bytes = File.ReadAllBytes checkpoint
                    File.WriteAllBytes(checkpoint, Crafted.flip (bytes.Length - 7) bytes)

                    World.train { request with Resume = true }
                    |> Outcome.refusedWith 3 [ "sha256"; checkpoint ])

            testCase
                "a checkpoint of another run, in its place: the differing keys are named; and one that says nothing"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"

                    let other =
                        { World.request folder "other" with
                            Seed = 4UL
                        }

                    for request in [ request; other ] do
                        Outcome.ok (World.train (forEpochs 2 request)) |> ignore

                    let again () =
                        World.train (forEpochs 3 { request with Resume = true }) |> Result.map ignore

                    let checkpoint = Run.checkpointFile request.Out
                    let kept = File.ReadAllBytes checkpoint
                    File.Copy(Run.checkpointFile other.Out, checkpoint, true)

                    again ()
                    |> Outcome.refusedWith 3 [ checkpoint; "differs from this call in seed" ]

                    let rewrite change =
                        use _scope = torch.NewDisposeScope()
                        File.WriteAllBytes(checkpoint, kept)
                        let facts, tensors = Outcome.ok (Checkpoint.read checkpoint)
                        Outcome.ok (Checkpoint.write checkpoint (change facts) (Map.toList tensors))

                    for key, value in
                        [
                            "step", "-1"
                            "step", "NaN"
                            "step", "2147483648"
                            "step", "many"
                            "best_epoch", "0"
                            "best_epoch", "1e9"
                            "best_dice", "NaN"
                            "best_dice", "Infinity"
                        ] do
                        rewrite (Map.add key value)
                        again () |> Outcome.refusedWith 3 [ checkpoint; key; value ]

                    rewrite (Map.remove "run")
                    again () |> Outcome.refusedWith 3 [ "does not say which run" ]

                    // No epoch can be better, so that the weights of the best one so far are those that are kept.
                    rewrite (Map.add "best_epoch" "2" >> Map.add "best_dice" "2")
                    let best = Run.bestFile request.Out
                    File.Copy(Run.bestFile other.Out, best, true)
                    again () |> Outcome.refusedWith 3 [ best; "differs from this call in seed" ])

            testCase "a folder in which another trainer is at work"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    use _owner = Outcome.ok (Run.lease request.Out Progress.none)
                    World.train request |> Outcome.refusedWith 2 [ "another process"; request.Out ])

            testCase "a site that is not there, a tower that the weights do not hold"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"

                    World.train { request with LeaveOut = Some "d" }
                    |> Outcome.refusedWith 2 [ "“leave_out” d"; "a, b, c" ]

                    World.train { request with Tower = Some "ViT-B-16" }
                    |> Outcome.refusedWith 2 [ "ViT-2x64-8-32"; "ViT-B-16" ])

            testCase
                "a class's words take the place of its name in every prompt: a table without them is refused"
            <| fun () ->
                World.within (fun folder ->
                    let settings =
                        { World.settings with
                            Method =
                                { World.settings.Method with
                                    ClassWords = Some(Map [ "polyp", "growth" ])
                                }
                        }

                    World.train
                        { World.request folder "run" with
                            Settings = settings
                        }
                    |> Outcome.refusedWith 3 [ "A growth in an endoscopic image"; "A growth with blood" ])

            testCase "a loss that is no number: the step is named"
            <| fun () ->
                World.within (fun folder ->
                    let huge name (leaf: TorchSharp.torch.Tensor) =
                        if name = "proj" then leaf.sign().mul(scalar 3e38) else leaf

                    let request = World.request folder "run"
                    World.writeTowerWith huge request.Weights

                    World.train request
                    |> Outcome.refusedWith 3 [ "at step 0 (epoch 1)"; request.Out ])

            testCase "prepared frames that vanish while batches are drawn from them: the file is named"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    let mutable vanished = ""

                    let tell (progress: ProgressStep) =
                        if progress.Stage = "training" && progress.Done = 1 then
                            vanished <- List.head (prepared "frames" request)

                            use file =
                                new FileStream(
                                    vanished,
                                    FileMode.Open,
                                    FileAccess.Write,
                                    FileShare.ReadWrite
                                )

                            file.SetLength 32L

                    let outcome = Trainer.train request { Progress.none with Tell = tell }
                    outcome |> Outcome.refusedWith 5 [ "ends within record"; vanished ])

            testCase "what a caller's progress throws comes out as it is, and the run goes on another time"
            <| fun () ->
                World.within (fun folder ->
                    let whole, cut = World.request folder "whole", World.request folder "cut"
                    Outcome.ok (World.train whole) |> ignore

                    for steps in [ 2; 5 ] do
                        let tell (progress: ProgressStep) =
                            if progress.Stage = "training" && progress.Done = steps then
                                raise (System.InvalidTimeZoneException())

                        Expect.throwsT<System.InvalidTimeZoneException>
                            (fun () ->
                                Trainer.train
                                    { cut with Resume = steps > 2 }
                                    { Progress.none with Tell = tell }
                                |> ignore)
                            "as it is"

                    Outcome.ok (World.train { cut with Resume = true }) |> ignore
                    Expect.equal (weightsOf cut) (weightsOf whole) "the same bytes")

            testCase "minutes between checkpoints that no clock counts"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"

                    for minutes in [ nan; -1.0; infinity; -infinity ] do
                        World.train
                            { request with
                                CheckpointMinutes = minutes
                            }
                        |> Outcome.refusedWith 2 [ "“checkpoint_minutes”" ]

                    Expect.isFalse (Directory.Exists request.Out) "nothing is begun")

            testCase "a call refused once the run was begun leaves none that stands in the way of the next"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    let frame = Path.Combine(request.Data, "a", "images", "frame3.png")
                    let bytes = File.ReadAllBytes frame
                    File.WriteAllText(frame, "no image")
                    World.train request |> Outcome.refusedWith 4 [ "frame3.png" ]
                    Expect.isFalse (File.Exists(Run.identityFile request.Out)) "withdrawn"

                    Expect.equal
                        (Directory.GetFileSystemEntries request.Out |> Array.map Path.GetFileName)
                        [| "run.lease.1" |]
                        "nothing else is left"

                    File.WriteAllBytes(frame, bytes)
                    Outcome.ok (World.train request) |> ignore
                    World.train request |> Outcome.refusedWith 2 [ "already holds a run" ]
                    Expect.isTrue (File.Exists(Run.identityFile request.Out)) "that of a run stays")

            testCase "a model is not fine-tuned into its own place"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    World.copyTree (World.bundle ()) (Bundle.ofRun request.Out)

                    World.train { request with From = Some request.Out }
                    |> Outcome.refusedWith 2 [ Bundle.ofRun request.Out; "what is read" ])

            testCase "what lay in the folder before is left there"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    let mine = Path.Combine(Run.preparedFolder request.Out, "mine.txt")
                    Directory.CreateDirectory(Run.preparedFolder request.Out) |> ignore
                    File.WriteAllText(mine, "mine")
                    Outcome.ok (World.train request) |> ignore

                    Expect.equal
                        (Directory.GetFileSystemEntries(Run.preparedFolder request.Out))
                        [| mine |]
                        "and nothing of the run's")

            testCase "the log's folder removed in mid-run is made anew"
            <| fun () ->
                World.within (fun folder ->
                    let request = World.request folder "run"
                    let log = Run.tensorBoardFolder request.Out

                    let tell (step: ProgressStep) =
                        if step.Stage = "training" && step.Done = 2 then
                            Directory.Delete(log, true)

                    Outcome.ok (Trainer.train request { Progress.none with Tell = tell }) |> ignore
                    Expect.isNonEmpty (Directory.GetFiles log) "what came after")

            testCase "a call cancelled before it began is cancelled"
            <| fun () ->
                World.within (fun folder ->
                    let outcome =
                        Trainer.train (World.request folder "run") (Progress.until (CancellationToken true))

                    Expect.equal outcome (Error McdrlError.Cancelled) "cancelled")
        ]
