module Mcdrl.Cli.Tests.TrainVerbTests

open System.IO
open System.Text.RegularExpressions
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Cli
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private inWorld (folder: string) extra =
    mcdrl
        [
            yield! [ "train"; "--data"; Path.Combine(folder, "data"); "--leave-out"; "c" ]
            yield! [ "--weights"; Path.Combine(folder, "tower.safetensors") ]
            yield! [ "--text"; Path.Combine(folder, "text.safetensors") ]
            yield! [ "--out"; Path.Combine(folder, "run") ]
            yield! tinyTraining
            yield! extra
        ]

let tests =
    testSequenced (
        testList
            "train"
            [
                test "a run: the report on stdout, the model in the folder; then the folder is taken" {
                    World.within (fun folder ->
                        let outcome = inWorld folder [ "--json" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        let report = objects outcome |> Array.exactlyOne
                        let run = Path.Combine(folder, "run")

                        Expect.equal
                            (report.GetProperty("bundle").GetString())
                            (Path.Combine(run, "model"))
                            "where"

                        Expect.equal (report.GetProperty("best_epoch").GetInt32()) 1 "the only epoch"

                        for file in [ "run.json"; "report.json"; "tensorboard"; "model/mcdrl.json" ] do
                            Expect.isTrue (Path.Exists(Path.Combine(run, file))) file

                        Expect.isEmpty
                            (Directory.GetFiles(run, "*.safetensors"))
                            "what only a resumed run needs"

                        let again = inWorld folder []
                        Expect.equal again.Code 2 "taken"
                        Expect.stringContains again.Err "--resume" "says what to do")
                }

                test "the dataset's folder is no run's folder, by whatever name" {
                    World.within (fun folder ->
                        let data = Path.Combine(folder, "data")
                        let link = Path.Combine(folder, "link")
                        Directory.CreateSymbolicLink(link, data) |> ignore

                        let files () =
                            Directory.GetFileSystemEntries(data, "*", SearchOption.AllDirectories)

                        let before = files ()

                        for out in [ data; link ] do
                            let outcome =
                                mcdrl
                                    [
                                        yield! [ "train"; "--data"; data; "--out"; out ]
                                        yield! [ "--weights"; Path.Combine(folder, "w") ]
                                    ]

                            Expect.equal outcome.Code 2 outcome.Err
                            Expect.stringContains outcome.Err "Choose another --out" "said"

                        Expect.equal (files ()) before "nothing is added")
                }

                test "prepared frames that runs share are kept, and none are the run's own" {
                    World.within (fun folder ->
                        let shared = Path.Combine(folder, "shared")
                        let outcome = inWorld folder [ "--prepared"; shared ]
                        Expect.equal outcome.Code 0 outcome.Err
                        Expect.equal (Directory.GetFiles(shared, "frames-*.bin")).Length 1 "kept"

                        Expect.isFalse
                            (Path.Exists(Path.Combine(folder, "run", "prepared")))
                            "nothing of its own")
                }

                test "a model stored in half precision is about half as large; another storage is refused" {
                    World.within (fun folder ->
                        let size more =
                            let outcome = inWorld folder more
                            Expect.equal outcome.Code 0 outcome.Err
                            let run = Path.Combine(folder, "run")
                            let length = FileInfo(Path.Combine(run, "model", "weights.safetensors")).Length
                            Directory.Delete(run, true)
                            float length

                        let half = size [ "--store"; "f16" ]
                        Expect.isLessThan (half / size []) 0.6 "half"
                        let outcome = inWorld folder [ "--store"; "f8" ]
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err "--store f8" "named"
                        Expect.stringContains outcome.Err "f32, f16 or bf16" "the choice")
                }

                test "a sentence encoder in place of the table: any class word, learned prompts too" {
                    World.within (fun folder ->
                        let encoder = Path.Combine(folder, "sentences")
                        World.writeSentenceEncoder encoder

                        let train weights out more =
                            mcdrl
                                [
                                    yield!
                                        [
                                            "train"
                                            "--data"
                                            Path.Combine(folder, "data")
                                            "--leave-out"
                                            "c"
                                        ]
                                    yield! [ "--weights"; weights; "--text-weights"; encoder ]
                                    yield! [ "--out"; Path.Combine(folder, out) ]

                                    for setting in
                                        [
                                            "method.input_size=64"
                                            """method.class_words={"polyp":"ulcer"}"""
                                            "method.prompting=cocoop"
                                            "method.training_mode=never"
                                            "method.head_width=8"
                                            "optimiser.epochs=1"
                                            "optimiser.trained_blocks=0"
                                            "augmentation.views=1"
                                        ] do
                                        yield! [ "--set"; setting ]

                                    yield! more
                                ]

                        let outcome = train (Shared.path "weights/resnet50-imagenet") "run" []
                        Expect.equal outcome.Code 0 outcome.Err
                        let model = Outcome.ok (Bundle.load (Path.Combine(folder, "run", "model")))

                        match model.Rival with
                        | Some(Rival.Prompts { frame = { text = TextTower.Bert _ } }) -> ()
                        | _ -> failtest "the model reads its prompts by the sentence encoder"

                        let table = [ "--text"; Path.Combine(folder, "text.safetensors") ]
                        let both = train (Shared.path "weights/resnet50-imagenet") "both" table
                        Expect.equal both.Code 2 both.Err
                        Expect.stringContains both.Err "--text and --text-weights" "named as flags"

                        let clip = train (Path.Combine(folder, "tower.safetensors")) "clip" []
                        Expect.equal clip.Code 2 clip.Err
                        Expect.stringContains clip.Err "--text-weights" "named as a flag")
                }

                test
                    "--from: fine-tunes a model with its own settings, and says what it took; --resume makes it longer" {
                    World.within (fun folder ->
                        let train arguments =
                            mcdrl
                                [
                                    yield! [ "train"; "--data"; Path.Combine(folder, "data") ]
                                    yield!
                                        [ "--from"; World.bundle (); "--out"; Path.Combine(folder, "tuned") ]
                                    yield! [ "--leave-out"; "c" ]
                                    yield! arguments
                                ]

                        let outcome = train [ "--set"; "optimiser.epochs=1"; "--keep-checkpoint"; "--json" ]
                        Expect.equal outcome.Code 0 outcome.Err
                        let start = (objects outcome |> Array.exactlyOne).GetProperty "start"
                        Expect.equal (start.GetProperty("model").GetString()) (World.bundle ()) "which"
                        Expect.equal (start.GetProperty("new").GetArrayLength()) 0 "nothing is new"
                        Expect.stringContains outcome.Err "Taken: tower ViT-2x64-8-32" "said"
                        let origin = Outcome.ok (Bundle.manifest (World.bundle ()))
                        let made = Outcome.ok (Bundle.manifest (Path.Combine(folder, "tuned")))
                        Expect.equal made.Settings.Method origin.Settings.Method "the model's settings"
                        let longer = train [ "--set"; "optimiser.epochs=2"; "--resume" ]
                        Expect.equal longer.Code 0 longer.Err
                        Expect.stringContains longer.Out "of 2 kept" "longer")
                }

                test "a run that is stopped says at once with what call it goes on, and that call ends it" {
                    World.within (fun folder ->
                        use source = new CancellationTokenSource()
                        use out = new StringWriter()

                        use err =
                            { new StringWriter() with
                                override writer.WriteLine(line: string | null) =
                                    base.WriteLine line

                                    if (string line).StartsWith "training" then
                                        source.Cancel()
                            }

                        let code =
                            App.run
                                Verbs.all
                                {
                                    Json = false
                                    Out = out
                                    Err = err
                                    Terminal = false
                                    Cancel = source.Token
                                }
                                (Array.ofList (
                                    [ "train"; "--data"; Path.Combine(folder, "data"); "--leave-out"; "c" ]
                                    @ [ "--weights"; Path.Combine(folder, "tower.safetensors") ]
                                    @ [
                                        "--text"
                                        Path.Combine(folder, "text.safetensors")
                                        "--preset"
                                        "paper"
                                    ]
                                    @ [
                                        "--out"
                                        Path.Combine(folder, "a run")
                                        "--set"
                                        "method.input_size=32"
                                    ]
                                    @ [ "--set"; """method.conditions=["blur","blood","mucus"]"""; "--set" ]
                                    @ [ "method.refinements=1"; "--set"; "optimiser.epochs=2" ]
                                ))

                        Expect.equal code 130 (string err)

                        let call =
                            Regex.Match(string err, "To go on with it: mcdrl (.*)").Groups[1].Value.TrimEnd()

                        Expect.stringEnds call " --resume" "how"

                        Expect.stringContains
                            call
                            "'method.conditions=[\"blur\",\"blood\",\"mucus\"]'"
                            "quoted"

                        let words =
                            [
                                for word in Regex.Matches(call, "'([^']*)'|(\\S+)") ->
                                    word.Groups[1].Value + word.Groups[2].Value
                            ]

                        let again = mcdrl words
                        Expect.equal again.Code 0 again.Err
                        Expect.stringContains again.Out "of 2 kept" "to its end"
                        let ended = mcdrl words
                        Expect.equal ended.Code 0 "a run that has ended says what it came to"
                        Expect.stringContains ended.Out "of 2 kept" "the same"

                        let longer = mcdrl (words @ [ "--set"; "optimiser.epochs=3" ])
                        Expect.equal longer.Code 2 longer.Err
                        Expect.stringContains longer.Err "--keep-checkpoint" "why it can't be longer")
                }

                test "a class that no frame of the training sites has is told" {
                    World.within (fun folder ->
                        let path = Path.Combine(folder, "data", "dataset.json")

                        File.WriteAllText(
                            path,
                            File
                                .ReadAllText(path)
                                .Replace("[\"polyp\"]", "[\"polyp\", \"cyst\"]")
                                .Replace("\"255\": \"polyp\"", "\"255\": \"polyp\", \"7\": \"cyst\"")
                        )

                        let outcome = inWorld folder []

                        Expect.stringContains
                            outcome.Err
                            "The class cyst is in no frame that is trained on"
                            "told"

                        Expect.isFalse (outcome.Err.Contains "The class polyp") "and no other")
                }

                test "that a single training site has no colours to exchange is told" {
                    World.within (fun folder ->
                        let description = Path.Combine(folder, "data", "dataset.json")

                        File.WriteAllText(
                            description,
                            File
                                .ReadAllText(description)
                                .Replace(""""b": { "images": "b/images", "masks": "b/masks" },""", "")
                        )

                        let exchanged share =
                            (inWorld folder [ "--set"; $"augmentation.colour_exchange={share}" ])
                                .Err.Contains
                                "Colours are not exchanged"

                        Expect.isTrue (exchanged 0.5) "told"
                        Expect.isFalse (exchanged 0.0) "nothing was to be exchanged")
                }

                test "neither weights nor a model" {
                    let outcome = mcdrl [ "train"; "--data"; "d"; "--out"; "o" ]
                    Expect.equal outcome.Code 2 outcome.Err
                    Expect.stringContains outcome.Err "neither --weights nor --from" "named"
                }

                test "a mandatory argument is missing" {
                    for absent in [ "--data"; "--out" ] do
                        let given =
                            [ "--data"; "--weights"; "--out" ]
                            |> List.filter ((<>) absent)
                            |> List.collect (fun flag -> [ flag; "x" ])

                        let outcome = mcdrl ("train" :: given)
                        Expect.equal outcome.Code 2 absent
                        Expect.equal outcome.Out "" "nothing on stdout"
                        Expect.stringContains outcome.Err absent "named"
                        Expect.isMatch outcome.Err "(?i)usage" "shows the usage"
                }

                test "a bad setting is named" {
                    for setting, named in
                        [
                            "method.alfa=1", "method.alfa"
                            "method.alpha=7", "method.alpha"
                            "optimiser.epochs=many", "optimiser.epochs"
                            "method=1", "method"
                            "alpha", "alpha"
                        ] do
                        World.within (fun folder ->
                            let outcome = inWorld folder [ "--set"; setting ]
                            Expect.equal outcome.Code 2 setting
                            Expect.stringContains outcome.Err named "named"
                            Expect.isFalse (Path.Exists(Path.Combine(folder, "run"))) "no run is begun")
                }

                test "an input size that the tower can't cut into cells" {
                    World.within (fun folder ->
                        let outcome = inWorld folder [ "--set"; "method.input_size=36" ]
                        Expect.equal outcome.Code 2 outcome.Err

                        Expect.stringContains outcome.Err "method.input_size: 36 is no multiple of 8" "which"

                        Expect.stringContains outcome.Err "32 or 40" "what would do")
                }

                test "preset and configuration" {
                    let code extra =
                        let outcome =
                            mcdrl ([ "train"; "--data"; "d"; "--weights"; "w"; "--out"; "o" ] @ extra)

                        outcome.Code, outcome.Err

                    for extra, named in
                        [
                            [ "--preset"; "worst" ], "--preset worst"
                            [ "--preset"; "best"; "--config"; "c.json" ], "--config"
                            [ "--config"; "/nonexistent/c.json" ], "/nonexistent/c.json"
                        ] do
                        let found, err = code extra
                        Expect.equal found 2 err
                        Expect.stringContains err named "named"
                }

                test "a dataset or weights that are not there" {
                    World.within (fun folder ->
                        Directory.Move(Path.Combine(folder, "data"), Path.Combine(folder, "moved"))
                        let outcome = inWorld folder []
                        Expect.equal outcome.Code 4 outcome.Err
                        Expect.stringContains outcome.Err (Path.Combine(folder, "data")) "named")

                    World.within (fun folder ->
                        File.Delete(Path.Combine(folder, "tower.safetensors"))
                        let outcome = inWorld folder []
                        Expect.equal outcome.Code 3 outcome.Err
                        Expect.stringContains outcome.Err "tower.safetensors" "named")
                }
            ]
    )
