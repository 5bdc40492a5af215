/// A dataset, a tower and an embeddings table so small that training on them takes seconds.
module Mcdrl.Tests.World

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open Expecto
open SkiaSharp
open TorchSharp
open Mcdrl

/// Two masks whose probabilities agree to rounding. Where two classes are as probable, the rounding decides, which depends on
/// the processor, the number of torch threads and the frames of a batch.
let sameButForTies (found: LabelMap) (expected: LabelMap) what =
    Expect.equal (found.Width, found.Height) (expected.Width, expected.Height) what

    let others =
        Seq.zip found.Labels expected.Labels
        |> Seq.filter (fun (one, other) -> one <> other)
        |> Seq.length

    Expect.isLessThanOrEqual others (found.Labels.Length / 1000) $"{what}: pixels of another class"

/// Dice, IoU or accuracy of masks that are the same but for ties; both may be undefined.
let sameScoreButForTies (found: float) (expected: float) what =
    if Double.IsNaN expected then
        Expect.isTrue (Double.IsNaN found) what
    else
        Expect.floatClose { absolute = 0.01; relative = 0.0 } found expected what

let conditions = [ "blur"; "blood"; "mucus" ]

let width, height = 48, 40

/// Whether the blob of frame `number` of a site covers this pixel; frame 0 of site c has none.
let private isLesion site number x y =
    let centreX, centreY = 14 + 5 * (number % 4), 12 + 4 * (number % 5)
    let dx, dy = float (x - centreX), float (y - centreY)
    (site, number) <> ("c", 0) && dx * dx + dy * dy < 81.0

let private writeFrame folder site number =
    let path kind =
        Path.Combine(folder, site, kind, $"frame{number}.png")

    let pixel x y =
        if isLesion site number x y then
            240uy, 220uy, 180uy
        else
            byte (60 + x), byte (30 + y), byte (20 + number)

    File.WriteAllBytes(path "images", Crafted.encode SKEncodedImageFormat.Png 100 width height pixel)

    Outcome.ok (
        Masks.write
            (path "masks")
            {
                Width = width
                Height = height
                Labels =
                    Array.init (width * height) (fun i ->
                        if isLesion site number (i % width) (i / width) then
                            255uy
                        else
                            0uy)
            }
    )

/// Sites a, b and c of six frames, 48 x 40 pixels: a bright disc on dark tissue.
let writeDataset folder =
    for site in [ "a"; "b"; "c" ] do
        for kind in [ "images"; "masks" ] do
            Directory.CreateDirectory(Path.Combine(folder, site, kind)) |> ignore

        for number in 0..5 do
            writeFrame folder site number

    File.WriteAllText(
        Path.Combine(folder, "dataset.json"),
        """{ "name": "Discs", "classes": ["polyp"], "masks": { "0": "background", "255": "polyp" },
  "sites": { "a": { "images": "a/images", "masks": "a/masks" },
             "b": { "images": "b/images", "masks": "b/masks" },
             "c": { "images": "c/images", "masks": "c/masks" } } }"""
    )

/// A random ViT: 32 px in patches of 8, width 64, two blocks, 32 joint dimensions.
let writeTowerWith (change: string -> Tensor -> Tensor) path =
    use _scope = torch.NewDisposeScope()

    let template =
        VisionTransformer.template
            {
                Width = 64L
                Layers = 2
                Patch = 8L
                Grid = 4L
                Hidden = 128L
                Embed = 32L
            }

    let leaf index (name: string, leaf: Tensor) =
        let noise =
            SeedTensors.normal (List.ofArray leaf.shape) (Seed.create 7UL |> Seed.split index)

        let isNorm = name.Contains "ln_" && name.EndsWith "weight"
        $"visual.{name}", noise.mul(scalar 0.1).add(scalar (if isNorm then 1.0 else 0.0)) |> change name

    Tree.leaves template
    |> List.mapi leaf
    |> Safetensors.write path Map.empty
    |> Outcome.ok

let writeTower path =
    writeTowerWith (fun _ leaf -> leaf) path

/// Sentences whose words the text tower has tokens for; others are spelt in bytes, and most are then too long.
let private sentences classes =
    Prompts.all classes conditions
    @ List.collect (BiomedPrompts.ofClass >> List.truncate 12) classes

/// The tower with a random text tower of 24 tokens and its vocabulary, in the folder `clip`.
let writeClip folder classes =
    use _scope = torch.NewDisposeScope()
    let vocabulary = Vocabulary.ofSentences (sentences classes)

    let text =
        ClipText.template
            {
                Context = 24L
                Vocabulary = int64 vocabulary.Tokens.Length
                Width = 32L
                Layers = 1
                Hidden = 64L
                Embed = 32L
            }
        |> FirstWeights.ofTemplate (Seed.create 5UL)

    let tower =
        Outcome.ok (Safetensors.read (Path.Combine(folder, "tower.safetensors")))

    let inside name = Path.Combine(folder, "clip", name)
    Directory.CreateDirectory(Path.Combine(folder, "clip")) |> ignore

    Map.toList tower.Tensors @ Tree.leaves text
    |> Safetensors.write (inside "model.safetensors") Map.empty
    |> Outcome.ok

    let ids =
        Dictionary(Seq.mapi (fun id token -> KeyValuePair(token, id)) vocabulary.Tokens)

    File.WriteAllText(inside "vocab.json", JsonSerializer.Serialize ids)
    File.WriteAllText(inside "merges.txt", Vocabulary.mergesText vocabulary)

/// The folder of a sentence encoder as Hugging Face publishes it: `TinyBert`.
let writeSentenceEncoder folder =
    use _scope = torch.NewDisposeScope()
    let inside name = Path.Combine(folder, name)
    Directory.CreateDirectory folder |> ignore

    Tree.leaves (TinyBert.create ())
    |> List.filter (fun (name, _) -> name <> "heads")
    |> Safetensors.write (inside "model.safetensors") Map.empty
    |> Outcome.ok

    File.WriteAllText(inside "config.json", TinyBert.config)
    File.WriteAllText(inside "vocab.txt", String.concat "\n" TinyBert.tokens + "\n")

/// Embeddings of every prompt that a model of one class needs; `change` may spoil them.
let writeTable path (change: Tensor -> Tensor) =
    use _scope = torch.NewDisposeScope()
    let prompts = Prompts.all [ "polyp" ] conditions

    let embeddings =
        SeedTensors.normal [ int64 prompts.Length; 32L ] (Seed.create 11UL) |> change

    Safetensors.write path (Map [ "prompts", JsonSerializer.Serialize prompts ]) [ "embeddings", embeddings ]
    |> Outcome.ok

/// Three epochs of three steps; the intervention is on from the second.
let settings: Settings =
    let paper = Outcome.ok (Config.ofPreset "paper" [])

    { paper with
        Method =
            { paper.Method with
                InputSize = 32
                Conditions = conditions
                Layers = 1
                HeadWidth = 16
                Refinements = 1
            }
        Loss = { paper.Loss with Dice = 1.0 }
        Optimiser =
            { paper.Optimiser with
                Epochs = 3
                ActivationEpoch = 1
                BatchSize = 4
                LearningRate = 0.01
                TowerFactor = 0.1
                TrainedBlocks = 0
            }
        Augmentation =
            { paper.Augmentation with
                QuarterTurns = false
            }
        Validation = 0.2
    }

/// Training on sites a and b of the world in `folder`, into its folder `out`.
let request folder out : TrainRequest =
    {
        Data = Path.Combine(folder, "data")
        LeaveOut = Some "c"
        Tower = None
        Weights = Path.Combine(folder, "tower.safetensors")
        Text = Some(Path.Combine(folder, "text.safetensors"))
        TextWeights = None
        From = None
        Settings = settings
        Out = Path.Combine(folder, out)
        Resume = false
        Seed = 3UL
        Device = "cpu"
        Precision = Precision.Fp32
        Prepared = None
        Store = WeightStorage.F32
        CheckpointMinutes = 1000.0
        KeepCheckpoint = true
    }

/// A folder with the dataset, the tower and the table, removed afterwards.
let within (work: string -> 'a) : 'a =
    Folder.temporary (fun folder ->
        writeDataset (Path.Combine(folder, "data"))
        writeTower (Path.Combine(folder, "tower.safetensors"))
        writeTable (Path.Combine(folder, "text.safetensors")) id
        work folder)

/// The frames that a run trains on, and those that it holds back.
let split (request: TrainRequest) : Dataset * DatasetItem list * DatasetItem list =
    let dataset = Outcome.ok (Dataset.load request.Data)

    let training, held =
        dataset.Sites
        |> List.filter (fun site -> Some site.Name <> request.LeaveOut)
        |> List.collect (fun site -> List.ofArray site.Items)
        |> Splits.holdOut
            request.Settings.Validation
            (Seed.create request.Seed |> Seed.named "validation")
            _.Site

    dataset, training, held

let train request = Trainer.train request Progress.none

let private trainedFolder =
    lazy
        (let folder = Directory.CreateTempSubdirectory("mcdrl-world-").FullName
         AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> Directory.Delete(folder, true))
         writeDataset (Path.Combine(folder, "data"))
         writeTower (Path.Combine(folder, "tower.safetensors"))
         writeTable (Path.Combine(folder, "text.safetensors")) id

         let request =
             { request folder "run" with
                 Settings =
                     { settings with
                         Optimiser = { settings.Optimiser with Epochs = 12 }
                         Augmentation = { Augmentation.none with Views = 0 }
                     }
             }

         Outcome.ok (train request) |> ignore
         folder)

/// A world with a model in its folder `run`, made once for all tests, which only read it.
let trained () = trainedFolder.Value

let bundle () =
    Path.Combine(trained (), "run", "model")

let data () = Path.Combine(trained (), "data")

let segmenter () =
    Outcome.ok (Segmenter.load (bundle ()) "cpu")

/// A file copied to another folder.
let copyTree source target =
    Directory.CreateDirectory target |> ignore

    for file in Directory.GetFiles source do
        File.Copy(file, Path.Combine(target, nonNull (Path.GetFileName file)))
