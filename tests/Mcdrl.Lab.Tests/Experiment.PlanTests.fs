module Mcdrl.Tests.ExperimentPlanTests

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.RegularExpressions
open Expecto
open Mcdrl

let private method key needsTextTower changes : ExperimentMethod =
    {
        Key = key
        Label = key.ToUpperInvariant()
        Note = ""
        Published = None
        NeedsTextTower = needsTextTower
        Changes = changes
    }

let private design name methods : ExperimentDesign =
    {
        Name = name
        Title = ""
        Question = ""
        Methods = methods
        Reference = "whole"
        Figures = []
    }

let private request design : ExperimentRequest =
    {
        Design = design
        Data = "data"
        Test = None
        Tower = None
        Weights = "weights"
        Text = None
        TextWeights = None
        Budget = []
        SettingsWith = Config.ofPreset "demo"
        Seeds = 2
        Protocol = Protocol.Imagewise
        Conditioned = None
        Part = None
        Out = "out"
        Device = "cpu"
        Command = ""
    }

let private whole = method "whole" false []
let private half = method "half" false [ "method.alpha=0.25" ]
let private prompted = method "prompted" true [ "method.no_such_setting=1" ]

let private settings = Outcome.ok (Config.ofPreset "demo" [])
let private digests = "data", "data", "weights", None

/// The only run of one method, one site and one seed.
let private only change digests site seed =
    let request =
        { request (design "tiny" [ whole ]) with
            Seeds = seed
        }

    ExperimentPlan.runs request [ whole, change settings ] [ "polyp" ] [ site ] digests
    |> List.last

let private first = only id digests "a" 1

let tests =
    testList
        "Experiment.Plan"
        [
            testCase "seed by seed, then site by site, then method by method"
            <| fun () ->
                let request = request (design "tiny" [ whole; half ])
                let methods, _ = Outcome.ok (ExperimentPlan.methods true request)
                let runs = ExperimentPlan.runs request methods [ "polyp" ] [ "b"; "a" ] digests

                Expect.equal
                    (runs |> List.map (fun run -> run.Seed, run.Site, run.Method.Key))
                    [
                        for seed in [ 1UL; 2UL ] do
                            for site in [ "b"; "a" ] do
                                for method in [ "whole"; "half" ] do
                                    seed, site, method
                    ]
                    "order"

                Expect.equal (runs |> List.distinctBy _.Key |> List.length) 8 "each a run of its own"

                for run in runs do
                    Expect.isMatch run.Key $"^{run.Site}-{run.Seed}-[0-9a-f]{{12}}$" "folder"
                    Expect.isMatch run.Result "^result-[0-9a-f]{12}\\.json$" "file"

            testCase "whatever a site is called, its run is a folder of its own among the runs"
            <| fun () ->
                let sites =
                    [
                        "/x/evil"
                        "../../../evil"
                        ".."
                        "."
                        ""
                        "a\000b"
                        "a/b"
                        "a\\b"
                        "line\nend"
                        String.replicate 300 "long"
                        "息肉"
                    ]

                let request = request (design "tiny" [ whole ])
                let runs = ExperimentPlan.runs request [ whole, settings ] [ "polyp" ] sites digests
                let above = Path.GetFullPath(ExperimentPlan.runsFolder request.Out)

                let folders =
                    runs
                    |> List.map (fun run -> Path.GetFullPath(ExperimentRunning.folderOf request run))

                Expect.equal (folders |> List.map Path.GetDirectoryName |> List.distinct) [ above ] "there"
                Expect.hasLength (List.distinct folders) (2 * sites.Length) "each its own"

                for folder in folders do
                    Expect.isLessThanOrEqual (NameLimit.length folder + ".lease.99999".Length) 255 "a name"

            testCase "equal settings under other names of methods are the same run"
            <| fun () ->
                let again = method "again" false [ "method.alpha=0.5"; "method.alpha=0.25" ]
                let request = request (design "tiny" [ whole; half; again ])
                let methods, _ = Outcome.ok (ExperimentPlan.methods true request)

                let keys name =
                    ExperimentPlan.runs request methods [ "polyp" ] [ "a"; "b" ] digests
                    |> List.filter (fun run -> run.Method.Key = name)
                    |> List.map (fun run -> run.Key, run.Result)

                Expect.equal (keys "again") (keys "half") "the same runs"
                Expect.notEqual (keys "half") (keys "whole") "others"

                let elsewhere =
                    ExperimentPlan.runs
                        { request with
                            Design = design "other" [ again ]
                            Data = "moved"
                            Out = "elsewhere"
                            Command = "typed otherwise"
                            Device = "cuda"
                        }
                        (methods |> List.filter (fun (method, _) -> method.Key = "again"))
                        [ "polyp" ]
                        [ "a"; "b" ]
                        digests
                    |> List.map (fun run -> run.Key, run.Result)

                Expect.equal elsewhere (keys "half") "whatever the experiment, and wherever it lies"

            testCase "whatever decides what training comes to makes another run"
            <| fun () ->
                let alpha (settings: Settings) =
                    { settings with
                        Method = { settings.Method with Alpha = 0.3 }
                    }

                let views (settings: Settings) =
                    { settings with
                        Augmentation = { settings.Augmentation with Views = 4 }
                    }

                let others =
                    [
                        "seed", only id digests "a" 2
                        "site", only id digests "b" 1
                        "data", only id ("other", "data", "weights", None) "a" 1
                        "weights", only id ("data", "data", "other", None) "a" 1
                        "texts", only id ("data", "data", "weights", Some "text") "a" 1
                        "a method's setting", only alpha digests "a" 1
                        "a setting of augmentation", only views digests "a" 1
                    ]

                let renamed =
                    ExperimentPlan.runs
                        { request (design "tiny" [ whole ]) with
                            Seeds = 1
                        }
                        [ whole, settings ]
                        [ "adenoma" ]
                        [ "a" ]
                        digests
                    |> List.exactlyOne

                let others = ("a class's name, which is a prompt", renamed) :: others
                let digestOf (run: PlannedRun) = run.Key.Split('-') |> Array.last

                for name, run in others do
                    Expect.notEqual (digestOf run) (digestOf first) name
                    Expect.notEqual run.Result first.Result $"{name}: result"

                Expect.equal
                    (others |> List.map (snd >> digestOf) |> List.distinct |> List.length)
                    others.Length
                    "each another"

            testCase "what decides judging alone makes another result of the same run"
            <| fun () ->
                let elsewhere = only id ("data", "other", "weights", None) "a" 1
                Expect.equal elsewhere.Key first.Key "trained once"
                Expect.notEqual elsewhere.Result first.Result "judged on other data"

                let micro =
                    ExperimentPlan.runs
                        { request (design "tiny" [ whole ]) with
                            Seeds = 1
                            Protocol = Protocol.Micro
                        }
                        [ whole, settings ]
                        [ "polyp" ]
                        [ "a" ]
                        digests
                    |> List.exactlyOne

                Expect.equal micro.Key first.Key "trained once"
                Expect.notEqual micro.Result first.Result "judged otherwise"

            testCase "what is absent has no say: a key is the digest of what is there"
            <| fun () ->
                let whole = (RecordJson.toObject first.Identity).ToJsonString()
                Expect.stringContains whole "\"text_sha256\":null" "absent, and written so"
                let without pattern text = Regex.Replace(text, pattern, "")

                let there = whole |> without "\"\\w+\":null," |> without ",\"\\w+\":null(?=})"

                Expect.isFalse (there.Contains "null") "nothing absent is left"
                let bytes = Encoding.UTF8.GetBytes there
                let digest = Convert.ToHexStringLower(SHA256.HashData bytes)
                Expect.equal first.Key $"a-1-{digest[..11]}" "without it"

            testCase "methods that need a text tower are named where there is none, and not resolved"
            <| fun () ->
                let request = request (design "tiny" [ whole; prompted; half ])
                let methods, impossible = Outcome.ok (ExperimentPlan.methods false request)
                Expect.equal (methods |> List.map (fun (method, _) -> method.Key)) [ "whole"; "half" ] "can"
                Expect.equal (impossible |> List.map _.Key) [ "prompted" ] "can't"

                ExperimentPlan.methods true request
                |> Result.map ignore
                |> Outcome.refusedWith 2 [ "method.no_such_setting" ]

            testCase "the faults of all methods at once, each once"
            <| fun () ->
                let wrong =
                    [
                        whole
                        method "a" false [ "method.alpha=7" ]
                        method "b" false [ "method.layers=0" ]
                        method "c" false [ "method.layers=0" ]
                    ]

                let fault =
                    Expect.wantError (ExperimentPlan.methods true (request (design "tiny" wrong))) "refused"

                Expect.equal
                    (McdrlError.flatten fault
                     |> List.map (fun one -> (McdrlError.describe one).Split(':')[0]))
                    [ "method.alpha"; "method.layers" ]
                    "both, once"

            testCase "a method that is the reference under another name says nothing in ablations of ours"
            <| fun () ->
                let asDefault =
                    method "as-default" false [ $"method.alpha={settings.Method.Alpha}" ]

                let keys name =
                    request (design name [ asDefault; whole; half ])
                    |> ExperimentPlan.methods true
                    |> Outcome.ok
                    |> fst
                    |> List.map (fun (method, _) -> method.Key)

                Expect.equal (keys "ablations") [ "whole"; "half" ] "left out"
                Expect.equal (keys "table1") [ "as-default"; "whole"; "half" ] "kept elsewhere"
        ]
