module Mcdrl.Tests.BundleTests

open System
open System.IO
open Expecto
open TorchSharp
open Mcdrl

/// A copy of the trained model's folder, changed.
let private changed (change: string -> unit) (work: string -> 'a) =
    Folder.temporary (fun folder ->
        let copy = Path.Combine(folder, "copy")
        World.copyTree (World.bundle ()) copy
        change copy
        work copy)

let private refusal change parts =
    use _scope = torch.NewDisposeScope()
    changed change (Bundle.load >> Outcome.refusedWith 3 parts)

let private inside name folder : string = Path.Combine(folder, name)

let private edit name (change: string -> string) folder =
    let path = inside name folder
    let text = File.ReadAllText path
    let edited = change text
    Expect.notEqual edited text "the edit changes something"
    File.WriteAllText(path, edited)

/// The manifest changed by someone who signs it anew.
let private forge change folder = Forged.manifest change folder

let private replace (old: string) (fresh: string) (text: string) = text.Replace(old, fresh)

/// Rewrites a tensor file and puts its new digest into the manifest.
let private rewrite name (change: Map<string, Tensor> -> Map<string, Tensor>) folder =
    use _scope = torch.NewDisposeScope()
    let path = inside name folder
    let before = Outcome.ok (Files.sha256 path)
    let content = Outcome.ok (Safetensors.read path)
    Outcome.ok (Safetensors.write path content.Metadata (Map.toList (change content.Tensors)))
    forge (replace before (Outcome.ok (Files.sha256 path))) folder

let private leaves (model: Model) =
    [
        for name, leaf in Tree.leaves model.Tower do
            $"tower.{name}", leaf
        for name, leaf in Tree.leaves model.Network do
            $"network.{name}", leaf
        for name, leaf in Tree.leaves model.Texts do
            $"texts.{name}", leaf
    ]

/// A model of other texts.
let private anotherThan (model: Model) =
    { model with
        Texts =
            { model.Texts with
                normal = model.Texts.normal.mul (scalar 2.0)
            }
    }

let private kept =
    testList
        "kept"
        [
            testCase "class texts have no axis of images on disk, and one of 1 in memory"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let folder = World.bundle ()
                let model = Outcome.ok (Bundle.load folder)
                let kept = Outcome.ok (Safetensors.read (inside "text.safetensors" folder))

                let classes, width =
                    int64 model.Manifest.Classes.Length, model.Texts.normal.shape[0]

                Expect.equal (List.ofArray kept.Tensors["classes"].shape) [ classes; width ] "on disk"
                Expect.equal (List.ofArray model.Texts.classes.shape) [ 1L; classes; width ] "in memory"

            testCase "what is written is what is loaded, and written again it is the same file"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let model = Outcome.ok (Bundle.load (World.bundle ()))

                let fresh =
                    { model with
                        Network =
                            model.Network
                            |> Tree.mapi (fun path leaf ->
                                SeedTensors.normal
                                    (List.ofArray leaf.shape)
                                    (Seed.create 1UL |> Seed.named path))
                    }

                Folder.temporary (fun folder ->
                    Outcome.ok (Bundle.write folder fresh)
                    let again = Outcome.ok (Bundle.load folder)

                    for (name, a), (other, b) in List.zip (leaves fresh) (leaves again) do
                        Expect.equal other name "name"
                        Expect.equal b.dtype a.dtype name
                        Expect.isTrue (a.equal(b).all().item<bool>()) name

                    Expect.equal
                        { again.Manifest with
                            Files = Map.empty
                            Sha256 = None
                        }
                        { model.Manifest with
                            Files = Map.empty
                            Sha256 = None
                        }
                        "manifest"

                    Expect.notEqual again.Manifest.Files model.Manifest.Files "digests of other weights")

            testCase "a training run's folder stands for the model in it"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let inRun = Outcome.ok (Bundle.load (Path.Combine(World.trained (), "run")))

                Expect.equal
                    inRun.Manifest
                    (Outcome.ok (Bundle.load (World.bundle ()))).Manifest
                    "the same model"

            testCase
                "a model of layout 2, whose manifest has no digest, and one that gives a condition no weight"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                changed Forged.layout2 (fun folder ->
                    let manifest = (Outcome.ok (Bundle.load folder)).Manifest
                    Expect.equal (manifest.Format, manifest.Sha256) (2, None) "as it was written")

                changed
                    (rewrite
                        "text.safetensors"
                        (Map.add
                            "log_prior"
                            (torch.tensor ([| log 0.5; log 0.5; -infinity |], dtype = torch.float64))))
                    (fun folder -> Expect.isOk (Bundle.load folder) "loads")

            testCase "whoever loads while models take each other's place has one of them whole"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                changed ignore (fun folder ->
                    let one = Outcome.ok (Bundle.load folder)

                    let other = anotherThan one

                    File.WriteAllText(inside "notes.txt" folder, "ours")

                    let writer =
                        System.Threading.Tasks.Task.Run(fun () ->
                            for round in 1..20 do
                                Outcome.ok (Bundle.write folder (if round % 2 = 0 then one else other)))

                    let mutable reads = 0

                    while not writer.IsCompleted || reads = 0 do
                        use _scope = torch.NewDisposeScope()
                        Expect.isOk (Bundle.load folder) "one of them"
                        reads <- reads + 1

                    writer.Wait()

                    Expect.equal
                        (File.ReadAllText(inside "notes.txt" folder))
                        "ours"
                        "whatever else is there stays"

                    Expect.equal
                        (Directory.GetFileSystemEntries(nonNull (Path.GetDirectoryName folder)).Length)
                        1
                        "nothing is left beside it")

            testCase
                "a model that another took the place of, and that was put back while it was read, is read again"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                changed ignore (fun folder ->
                    let one = Outcome.ok (Bundle.load folder)

                    let other = anotherThan one

                    let files, manifest = Outcome.ok (Bundle.state folder)
                    let isFirst = ref true

                    let crossed =
                        { files with
                            Tensors =
                                fun options name ->
                                    if isFirst.Value then
                                        isFirst.Value <- false
                                        Outcome.ok (Bundle.write folder other)
                                        let found = files.Tensors options name
                                        Outcome.ok (Bundle.write folder one)
                                        found
                                    else
                                        files.Tensors options name
                        }

                    let found = Outcome.ok (Bundle.complete (crossed, manifest))
                    let apart = found.Texts.normal.sub(one.Texts.normal).abs().max().item<float32>()
                    Expect.equal apart 0f "the one that is there"
                    Expect.isFalse isFirst.Value "it was read in between")

            testCase "an edited model card changes nothing"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                changed (edit "README.md" (fun text -> text + "\nOurs.\n")) (fun folder ->
                    Expect.isOk (Bundle.load folder) "loads")

            testCase "described anew: other figures and sections, the same weights"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                changed
                    (fun folder ->
                        Bundle.describe
                            folder
                            [
                                {
                                    Name = "Dice, elsewhere"
                                    Value = 0.625
                                    Protocol = "twice"
                                }
                            ]
                            [ "## More"; ""; "Words." ]
                        |> Outcome.ok)
                    (fun folder ->
                        let before = Outcome.ok (Bundle.load (World.bundle ()))
                        let after = Outcome.ok (Bundle.load folder)
                        Expect.equal (after.Manifest.Metrics |> List.map _.Value) [ 0.625 ] "figures"

                        for name in [ "weights.safetensors"; "text.safetensors" ] do
                            Expect.equal after.Manifest.Files[name] before.Manifest.Files[name] name

                        let card = File.ReadAllText(inside "README.md" folder)

                        for part in [ "| Dice, elsewhere | 0.6250 | twice |"; "## More"; "c was never seen" ] do
                            Expect.stringContains card part "said")

            testCase "the card says what it must"
            <| fun () ->
                let card = File.ReadAllText(inside "README.md" (World.bundle ()))

                for part in [ "Not for clinical use"; "polyp"; "c was never seen"; "10 frames of Discs" ] do
                    Expect.stringContains card part "said"
        ]

let private refused =
    testList
        "refused"
        [
            for name in [ "weights.safetensors"; "text.safetensors" ] do
                testCase $"{name} with one bit flipped"
                <| fun () ->
                    let flip folder =
                        let path = inside name folder
                        let bytes = File.ReadAllBytes path
                        File.WriteAllBytes(path, Crafted.flip (bytes.Length - 3) bytes)

                    refusal flip [ "sha256 mismatch"; name ]

            for name in [ "weights.safetensors"; "text.safetensors"; "README.md"; "mcdrl.json" ] do
                testCase $"without {name}"
                <| fun () -> refusal (inside name >> File.Delete) [ name ]

            testCase "weights that lack a tensor, have one too many or one of another shape: all are named"
            <| fun () ->
                refusal
                    (rewrite "weights.safetensors" (fun tensors ->
                        tensors
                        |> Map.remove "network.head.conv_2.weight"
                        |> Map.add "network.stray" (torch.ones [| 1L |])
                        |> Map.add "network.head.ln.weight" (torch.ones [| 3L |])))
                    [ "head.conv_2.weight"; "stray"; "head.ln.weight" ]

            testCase "weights that lack a tensor of the tower"
            <| fun () ->
                refusal
                    (rewrite "weights.safetensors" (Map.remove "tower.transformer.resblocks.0.ln_1.bias"))
                    [ "transformer.resblocks.0.ln_1.bias" ]

            testCase "texts of another number of conditions"
            <| fun () ->
                refusal
                    (rewrite "text.safetensors" (Map.add "conditions" (torch.ones (2L, 32L))))
                    [ "conditions is [2, 32] instead of [3, 32]" ]

            testCase "a weight that is no number"
            <| fun () ->
                refusal
                    (rewrite "weights.safetensors" (Map.map (fun _ leaf -> leaf.mul (scalar nan))))
                    [ "NaN" ]

            for title, old, fresh, part in
                [
                    "a later layout", "\"format\": 3", "\"format\": 4", "version 4"
                    "the layout of 0.1", "\"format\": 3", "\"format\": 1", "Train it again"
                    "the layout before, with a digest that it can't have",
                    "\"format\": 3",
                    "\"format\": 2",
                    "sha256"
                    "an unknown key", "\"precision\"", "\"precisoin\"", "precisoin"
                    "another precision", "\"fp32\"", "\"fp8\"", "fp8"
                    "another resize", "squash-bicubic", "letterbox", "letterbox"
                    "an input size that the settings do not have",
                    "\"resize\": \"squash-bicubic\",\n    \"input_size\": 32",
                    "\"resize\": \"squash-bicubic\",\n    \"input_size\": 64",
                    "input size"
                    "settings out of range", "\"alpha\": 0.5", "\"alpha\": 1.5", "method.alpha"
                    "the same class twice", "\"polyp\"\n", "\"polyp\",\n    \"polyp\"\n", "named 2 times"
                    "an empty class", "\"polyp\"\n", "\"\"\n", "empty"
                    "a class called background", "\"polyp\"\n", "\"background\"\n", "background"
                    "half a surrogate pair", "\"polyp\"\n", "\"\\uD800\"\n", "surrogate"
                    "a condition twice", "\"blood\",", "\"blur\",", "named 2 times"
                    "a mean of null", "0.48145466", "null", "mean"
                    "a mean beyond all measure", "0.48145466", "1e300", "mean"
                    "a std of 0", "0.26862954", "0", "std"
                    "a std of next to nothing", "0.26862954", "1e-300", "std"
                    "the name of another tower",
                    "\"ViT-2x64-8-32\"",
                    "\"ViT-B-16\"",
                    "states the tower ViT-B-16"
                    "a negative epoch", "\"epoch\": ", "\"epoch\": -", "epoch"
                    "an input of 65536", "\"input_size\": 32", "\"input_size\": 65536", "method.input_size"
                    "layers without end", "\"layers\": 1", "\"layers\": 65", "method.layers"
                    "refinements without end",
                    "\"refinements\": 1",
                    "\"refinements\": 17",
                    "method.refinements"
                    "no digest of the weights",
                    "\"weights.safetensors\":",
                    "\"others.safetensors\":",
                    "no sha256"
                    "a file that no model has", "\"README.md\":", "\"../README.md\":", "../README.md"
                    "a digest that is none", "\"README.md\": \"", "\"README.md\": \"x", "no sha256"
                ] do
                testCase $"a manifest with {title}"
                <| fun () -> refusal (forge (replace old fresh)) [ part; "mcdrl.json" ]

            testCase "a manifest with another class"
            <| fun () ->
                refusal
                    (forge (replace "\"polyp\"\n" "\"polyp\",\n    \"cyst\"\n"))
                    [ "classes is [1, 32] instead of [2, 32]" ]

            testCase "a manifest of thousands of conditions"
            <| fun () ->
                let thousands =
                    String.Join(",", Seq.init 5000 (fun number -> $"\"c{number}\"")) + ",\"blur\","

                refusal (forge (replace "\"blur\"," thousands)) [ "conditions"; "more than 256" ]

            testCase "a manifest of which any byte changed, wherever it stands"
            <| fun () ->
                changed ignore (fun folder ->
                    let path = inside "mcdrl.json" folder
                    let content = File.ReadAllBytes path

                    for offset in 0 .. content.Length - 1 do
                        File.WriteAllBytes(path, Crafted.flip offset content)

                        Bundle.manifest folder
                        |> Result.map ignore
                        |> Outcome.refusedWith 3 [ "mcdrl.json" ]

                    File.WriteAllBytes(path, content)
                    Expect.isOk (Bundle.manifest folder) "as it was")

            testCase "a manifest of layout 2 with one part spoilt is read or refused, never thrown"
            <| fun () ->
                changed Forged.layout2 (fun folder ->
                    let text = File.ReadAllText(inside "mcdrl.json" folder)

                    let parts =
                        [
                            ""
                            "\""
                            "\\uD800"
                            "{"
                            "}"
                            "["
                            "null"
                            "-1"
                            "1e999"
                            "NaN"
                            "99999999999"
                            "\uFEFF"
                        ]

                    let random = Random 7

                    for _ in 1..2000 do
                        let at = random.Next text.Length
                        let length = random.Next(min 12 (text.Length - at))
                        let fresh = parts[random.Next parts.Length]
                        let spoilt = text.Substring(0, at) + fresh + text.Substring(at + length)

                        match Bundle.parseManifest "mcdrl.json" (Text.Encoding.UTF8.GetBytes spoilt) with
                        | Ok _ -> ()
                        | Error fault -> Expect.equal (McdrlError.exitCode fault) 3 spoilt)

            testCase "a manifest to which something is added"
            <| fun () -> refusal (edit "mcdrl.json" (fun text -> text + " ")) [ "sha256 mismatch" ]

            for name in [ "classes"; "conditions"; "class_conditions"; "normal" ] do
                for value in [ nan; infinity; -infinity ] do
                    testCase $"text.safetensors whose {name} holds {value}"
                    <| fun () ->
                        refusal
                            (rewrite "text.safetensors" (fun tensors ->
                                let spoilt = tensors[name].clone()
                                spoilt.view(-1L)[0L] <- torch.tensor (float32 value)
                                tensors.Add(name, spoilt)))
                            [ $"tensor \"{name}\""; "NaN" ]

            for title, weights, part in
                [
                    "NaN", [ nan; 0.0; 0.0 ], "NaN"
                    "an infinite weight", [ infinity; 0.0; 0.0 ], "infinite"
                    "no weight at all", [ -infinity; -infinity; -infinity ], "sum to 0"
                    "weights that don't sum to 1", [ 0.0; 0.0; 0.0 ], "sum to 3"
                    "weights that sum to little more than 1", [ log 0.5; log 0.25; log 0.2501 ], "not to 1"
                ] do
                testCase $"a log prior of {title}"
                <| fun () ->
                    refusal
                        (rewrite
                            "text.safetensors"
                            (Map.add "log_prior" (torch.tensor (List.toArray weights, dtype = torch.float64))))
                        [ "log_prior"; part ]

            for name in [ "text.safetensors"; "weights.safetensors" ] do
                testCase $"whole numbers for weights in {name}"
                <| fun () ->
                    let leaf =
                        if name = "text.safetensors" then
                            "normal"
                        else
                            "network.head.ln.weight"

                    refusal
                        (rewrite name (fun tensors -> tensors.Add(leaf, tensors[leaf].``to`` torch.int64)))
                        [ "wrong element types"; "Int64"; "Float32" ]

            testCase "a tensor that belongs to no part"
            <| fun () ->
                refusal
                    (rewrite "weights.safetensors" (Map.add "stray" (torch.ones [| 1L |])))
                    [ "unexpected tensors (1): stray" ]

            testCase "a manifest that is no JSON"
            <| fun () -> refusal (edit "mcdrl.json" (fun text -> text[..99])) [ "JSON" ]
        ]

let tests = testSequenced (testList "Bundle" [ kept; refused ])
