module Mcdrl.Tests.PretrainerTests

open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private get result =
    match result with
    | Ok value -> value
    | Error error -> failtest (McdrlError.describe error)

/// Frames of 32 pixels: a bright square that is red or blue on grey, in light or in the dark.
let private world: PretrainingWorld =
    let frame side seed : PretrainingFrame =
        let kind = Seed.below 2 (Seed.named "kind" seed)
        let dark = Seed.below 2 (Seed.named "dark" seed) = 1
        let left = Seed.below (side / 2) (Seed.named "left" seed)
        let top = Seed.below (side / 2) (Seed.named "top" seed)

        let inside pixel =
            let x, y = pixel % side, pixel / side
            x >= left && x < left + side / 2 && y >= top && y < top + side / 2

        let light = if dark then 2 else 1

        {
            Picture =
                {
                    Width = side
                    Height = side
                    Orientation = Orientation.TopLeft
                    Rgb =
                        [|
                            for pixel in 0 .. side * side - 1 do
                                for channel in 0..2 do
                                    if inside pixel && channel = 2 * kind then
                                        byte (250 / light)
                                    else
                                        byte (100 / light)
                        |]
                }
            Truth =
                {
                    Width = side
                    Height = side
                    Labels =
                        [|
                            for pixel in 0 .. side * side - 1 -> if inside pixel then byte (kind + 1) else 0uy
                        |]
                }
            Condition = Some(if dark then "dim lighting" else "bright lighting")
        }

    {
        Classes = [ "polyp"; "cyst" ]
        Conditions = [ "bright lighting"; "dim lighting" ]
        Frame = frame
    }

let private settings =
    [
        "width=8"
        "blocks=[1,1]"
        "input_size=32"
        "embed=32"
        "text_width=32"
        "text_layers=1"
        "steps=60"
        "batch_size=16"
        "learning_rate=0.01"
        "warmup=0.1"
    ]

let private request folder : PretrainingRequest =
    {
        Settings = get (PretrainingConfig.recipeWith settings)
        Out = Path.Combine(folder, "mini")
        Seed = 4UL
        Device = "cpu"
        Frames = 64
    }

let private pretrain request =
    Pretrainer.pretrain world request Progress.none

/// The model that comes with the product.
let private shipped = Path.Combine(Repository.root, "models", "mini")

let private vocabulary =
    Captions.all Phantom.classes Phantom.conditions
    @ Prompts.all Phantom.classes Phantom.conditions
    |> Vocabulary.ofSentences

let tests =
    testSequenced
    <| testList
        "Pretrainer"
        [
            testCase "every word of every caption is one token, and texts fit the context"
            <| fun () ->
                let tokenizer = get (ClipTokenizer.ofTokens vocabulary)
                let captions = Captions.all Phantom.classes Phantom.conditions

                for word in Vocabulary.words captions do
                    Expect.equal (ClipTokenizer.encode tokenizer word).Length 3 word

                for caption in captions do
                    Expect.isLessThanOrEqual (ClipTokenizer.encode tokenizer caption).Length 32 caption

                Expect.equal
                    (captions
                     |> List.map (fun text -> ClipTokenizer.encode tokenizer text, text.ToLowerInvariant())
                     |> List.groupBy fst
                     |> List.filter (fun (_, same) -> (List.distinctBy snd same).Length > 1))
                    []
                    "different sentences have different ids"

            testCase "any other text has a spelling too"
            <| fun () ->
                let tokenizer = get (ClipTokenizer.ofTokens vocabulary)
                let ids = ClipTokenizer.encode tokenizer "Übergröße 12 mm"
                Expect.isGreaterThan ids.Length 5 "in bytes"

            testCase
                "learns a small world, the same from the same seed, in the layout that is loaded everywhere"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let losses = System.Collections.Generic.List<string>()
                    let request = request folder

                    let record =
                        Pretrainer.pretrain
                            world
                            request
                            { Progress.none with
                                Tell =
                                    fun step ->
                                        if step.Stage = "pretraining" then
                                            losses.Add step.Note
                            }
                        |> get

                    let value (note: string) =
                        System.Double.Parse(
                            note.Split(' ')[1],
                            System.Globalization.CultureInfo.InvariantCulture
                        )

                    Expect.equal losses.Count 60 "every step is reported"
                    Expect.isLessThan (value losses[59]) (0.8 * value losses[0]) "the loss falls"
                    Expect.isGreaterThan record.ZeroShot.ClassAccuracy 0.9 "red and blue"

                    use _scope = torch.NewDisposeScope()
                    let weights = get (Weights.load request.Out)
                    Expect.isSome weights.Text "a text tower"
                    Expect.equal (Tower.inputSize weights.Tower) 32L "input"
                    Expect.equal (Tower.granularity weights.Tower) 8L "8 pixels a cell"
                    let read = get (Weights.tokenizer weights)

                    let made =
                        get (
                            ClipTokenizer.ofTokens (
                                Vocabulary.ofSentences (
                                    Captions.all world.Classes world.Conditions
                                    @ Prompts.all world.Classes world.Conditions
                                )
                            )
                        )

                    for prompt in Prompts.all world.Classes world.Conditions do
                        Expect.equal
                            (ClipTokenizer.encode read prompt)
                            (ClipTokenizer.encode made prompt)
                            "the files hold the vocabulary"

                    let digest () =
                        get (Files.sha256 (Path.Combine(request.Out, PretrainingFolder.weightsName)))

                    let first = digest ()
                    let again = get (pretrain request)
                    Expect.equal (digest ()) first "equal bytes from equal seeds"
                    Expect.equal again.ZeroShot record.ZeroShot "equal figures"
                    get (pretrain { request with Seed = 5UL }) |> ignore
                    Expect.notEqual (digest ()) first "another seed, other weights"
                    Expect.equal (Directory.GetFileSystemEntries folder).Length 1 "nothing else is left")

            testCase "what pretraining wrote, and what is as good as empty, may be replaced; nothing else"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let at (name: string) = Path.Combine(folder, name)

                    Expect.equal
                        (PretrainingFolder.mayReplace shipped)
                        (Ok())
                        "written by an earlier version"

                    Expect.equal (PretrainingFolder.mayReplace (at "none")) (Ok()) "new"
                    Directory.CreateDirectory(at "new") |> ignore
                    File.WriteAllText(at "new/.DS_Store", "")
                    Expect.equal (PretrainingFolder.mayReplace (at "new")) (Ok()) "a system's file alone"
                    Directory.CreateDirectory(at "other") |> ignore
                    File.WriteAllText(at "other/recipe.json", "{}")

                    PretrainingFolder.mayReplace (at "other")
                    |> Outcome.refusedWith 2 [ at "other"; "recipe.json" ]

                    File.WriteAllText(at "new/notes.txt", "mine")
                    PretrainingFolder.mayReplace (at "new") |> Outcome.refusedWith 2 [ "notes.txt" ]

                    PretrainingFolder.mayReplace (at "new/notes.txt")
                    |> Outcome.refusedWith 2 [ "a file" ]

                    Pretrainer.pretrain
                        world
                        { request folder with Out = at "new" }
                        { Progress.none with
                            Tell = fun _ -> failtest "no work is begun"
                        }
                    |> Outcome.refusedWith 2 [ "notes.txt" ]

                    Expect.equal (File.ReadAllText(at "new/notes.txt")) "mine" "kept")

            testCase "a cancelled run leaves what was there"
            <| fun () ->
                Folder.temporary (fun folder ->
                    use source = new CancellationTokenSource()

                    let outcome =
                        Pretrainer.pretrain
                            world
                            (request folder)
                            {
                                Tell =
                                    fun step ->
                                        if step.Done = 3 then
                                            source.Cancel()
                                Cancel = source.Token
                            }

                    Expect.equal outcome (Error McdrlError.Cancelled) "cancelled"
                    Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing is written")

            testCase "models/mini: the card's digests are the files', and it is small"
            <| fun () ->
                let card = File.ReadAllText(Path.Combine(shipped, PretrainingFolder.cardName))

                for name in [ "model.safetensors"; "vocab.json"; "merges.txt"; "recipe.json" ] do
                    let path = Path.Combine(shipped, name)
                    Expect.stringContains card $"| {name} | {get (Files.sha256 path)} |" name

                let bytes =
                    Directory.GetFiles shipped |> Array.sumBy (fun path -> FileInfo(path).Length)

                Expect.isLessThanOrEqual bytes (16L * 1024L * 1024L) "at most 16 MiB"

            testCase "models/mini tells the classes of unseen frames, and its prompts point at their lesions"
            <| fun () ->
                let weights = get (Weights.load shipped)
                use _scope = torch.NewDisposeScope()
                let settings = get (PretrainingConfig.recipeWith [])

                let found =
                    ZeroShotMeasuring.measure
                        (PhantomWorld.pretraining settings)
                        weights
                        (Seed.create 77UL)
                        256
                        Progress.none
                    |> get

                Expect.isGreaterThan found.ClassAccuracy 0.8 "classes, of which chance gets a fifth"
                Expect.isGreaterThan found.ConditionAccuracy 0.7 "conditions, of which chance gets a twelfth"
                let at = found.HitRates |> List.find (fun rate -> rate.Alpha = 0.2)
                Expect.isGreaterThan at.AllClasses 0.8 "Eq. 6 at a fifth of the cells"
                Expect.isLessThan at.OtherClass (at.OwnClass - 0.2) "shuffled prompts"
                Expect.isLessThan at.Random 0.3 "random cells"
        ]
