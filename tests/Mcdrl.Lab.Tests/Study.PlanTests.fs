module Mcdrl.Tests.StudyPlanTests

open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests.Outcome

let private request (folder: string) : StudyRequest =
    let weights = Path.Combine(folder, "tower.safetensors")

    if not (File.Exists weights) then
        File.WriteAllText(weights, "weights")

    {
        Out = Path.Combine(folder, "study")
        Seed = 1UL
        LeftOut = None
        Weights = Some weights
        Quick = true
        Replace = false
    }

let private enter (request: StudyRequest) =
    StudyPlan.create request
    |> Result.bind (StudyPlan.enter request.Out request.Replace)

let private frame site lesion condition : PhantomFrame =
    {
        Image = "1.png"
        Mask = "1.png"
        Site = site
        SceneSeed = 1UL
        Lesion = lesion
        X = None
        Y = None
        Radius = None
        Condition = condition
        Strength = 0.5
        ConditionSeed = 1UL
        Geometry = Phantom.geometry (Phantom.scene Phantom.sites.Head None (Seed.create 1UL)) None
    }

let tests =
    testList
        "study plan"
        [
            test "the baseline is the same model and budget without regions, intervention and their losses" {
                let own = ok (Config.ofPreset "demo" [])
                let other = StudyPlan.baseline own
                Expect.equal other.Method.TrainingMode Marginalisation.Never "no intervention"
                Expect.equal other.Method.Alpha 1.0 "no regions"

                Expect.equal
                    (other.Loss.Causal, other.Loss.Grounding, other.Loss.Invariance)
                    (0.0, 0.0, 0.0)
                    "no losses of theirs"

                Expect.equal other.Optimiser own.Optimiser "the same budget"
                Expect.equal other.Augmentation own.Augmentation "the same augmentation"
                Expect.equal other.Method.InputSize own.Method.InputSize "the same input"
                Expect.equal (ok (Settings.validate other)) other "valid"
            }

            test "the last site is left out unless told otherwise; one that is not there is refused" {
                Folder.temporary (fun folder ->
                    let request = request folder
                    Expect.equal (ok (StudyPlan.create request)).LeftOut "p5" "the last"

                    Expect.equal
                        (ok (StudyPlan.create { request with LeftOut = Some "p2" })).LeftOut
                        "p2"
                        "as told"

                    StudyPlan.create { request with LeftOut = Some "p9" }
                    |> refusedWith 2 [ "p9"; "p1, p2, p3, p4, p5" ])
            }

            test "a folder is gone on with by the same arguments alone, and cleared only when told" {
                Folder.temporary (fun folder ->
                    let request = request folder
                    let scores = Path.Combine(request.Out, "scores.json")
                    ok (enter request)
                    File.WriteAllText(scores, "{}")
                    ok (enter request)
                    Expect.isTrue (File.Exists scores) "kept"

                    for other in
                        [
                            { request with Seed = 2UL }
                            { request with LeftOut = Some "p1" }
                            { request with Quick = false }
                        ] do
                        enter other |> refusedWith 2 [ request.Out; "“replace”" ]

                    Expect.isTrue (File.Exists scores) "still there"

                    ok (
                        enter
                            { request with
                                Seed = 2UL
                                Replace = true
                            }
                    )

                    Expect.isFalse (File.Exists scores) "cleared"
                    enter request |> refusedWith 2 [ "“replace”" ])
            }

            test "a folder with anything else in it is left alone" {
                Folder.temporary (fun folder ->
                    let request =
                        { request folder with
                            Out = folder
                            Replace = true
                        }

                    enter request |> refusedWith 2 [ "holds no study" ]
                    Expect.isFalse (File.Exists(Path.Combine(folder, "study.json"))) "nothing written")
            }

            test "a study.json that is no study's protects its folder" {
                Folder.temporary (fun folder ->
                    let request = { request folder with Replace = true }
                    let data = Path.Combine(request.Out, "data", "mine.txt")
                    Directory.CreateDirectory(Path.Combine(request.Out, "data")) |> ignore
                    File.WriteAllText(data, "mine")

                    for text in [ "{}"; "no JSON"; "[]"; "{ \"version\": 1 }" ] do
                        File.WriteAllText(Path.Combine(request.Out, "study.json"), text)
                        enter request |> refusedWith 2 [ request.Out; "no study's" ]

                    Expect.equal (File.ReadAllText data) "mine" "kept")
            }

            test "habits are those of the training sites, class by class" {
                let frames =
                    [
                        frame "p1" (Some "polyp") "blur"
                        frame "p2" (Some "polyp") "blood"
                        frame "p2" (Some "polyp") "blood"
                        frame "p3" (Some "polyp") "blood"
                        frame "p1" (Some "cyst") "blur"
                        frame "p1" None "blur"
                        frame "p5" (Some "polyp") "mucus"
                    ]

                let habits = Study.habits "p5" frames |> Map.ofList
                Expect.equal (List.length (Study.habits "p5" frames)) 12 "every condition"
                Expect.equal habits["blood"] [ 0.75; 0.0; 0.0; 0.0; 0.0 ] "polyps under blood"
                Expect.equal habits["blur"] [ 0.25; 0.0; 0.0; 0.0; 1.0 ] "normal mucosa is no class"
                Expect.equal habits["mucus"] [ 0.0; 0.0; 0.0; 0.0; 0.0 ] "the left-out site doesn't count"
            }
        ]
