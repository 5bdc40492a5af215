module Mcdrl.Tests.DatasetCheckTests

open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests

let tests =
    testList
        "Dataset check"
        [
            test "progress counts every frame once, and the figures agree with the masks" {
                let folder = Shared.path "data/polypgen"
                let steps = ResizeArray<ProgressStep>()

                let found =
                    Expect.wantOk
                        (DatasetCheck.run folder false { Progress.none with Tell = steps.Add })
                        "checked"

                let dataset = Expect.wantOk (Dataset.load folder) "loaded"
                Expect.isEmpty found.Problems "sound"
                Expect.equal (steps |> Seq.map _.Done |> List.ofSeq) [ 1..1220 ] "in turn"
                Expect.equal (found.Sites |> List.map _.Site) (dataset.Sites |> List.map _.Name) "order"

                let site = dataset.Sites |> List.last

                let pixels =
                    site.Items
                    |> Array.sumBy (fun item ->
                        match Dataset.labels dataset item with
                        | Ok map -> (LabelMap.histogram map)[1]
                        | Error fault -> failtest (McdrlError.describe fault))

                Expect.equal
                    (List.last found.Sites).Classes
                    [
                        {
                            Class = "polyp"
                            Frames = site.Items.Length - (List.last found.Sites).Empty
                            Pixels = pixels
                        }
                    ]
                    "c5"
            }

            test "a stop in the middle ends the check" {
                use source = new CancellationTokenSource()
                let mutable last = 0

                let tell (progress: ProgressStep) =
                    last <- progress.Done

                    if progress.Done = 5 then
                        source.Cancel()

                let outcome =
                    DatasetCheck.run
                        (Shared.path "data/polypgen")
                        false
                        { Tell = tell; Cancel = source.Token }

                Expect.equal outcome (Error McdrlError.Cancelled) "cancelled"

                Expect.isLessThanOrEqual
                    last
                    (5 + System.Environment.ProcessorCount)
                    "with the frames under way"
            }
        ]
