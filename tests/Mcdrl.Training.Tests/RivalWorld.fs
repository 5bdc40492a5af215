/// Small trainings of the rivals: prompts that are learned, read by CLIP or by a sentence encoder.
module Mcdrl.Tests.RivalWorld

open System.IO
open Expecto
open Mcdrl

let classes = [ "polyp"; "cyst" ]
let all = [ Prompting.Cocoop; Prompting.Stylip; Prompting.Biomedcoop ]

/// The discs of every other frame become cysts.
let private withCysts data =
    for site in [ "a"; "b"; "c" ] do
        for number in [ 1; 3; 5 ] do
            let path = Path.Combine(data, site, "masks", $"frame{number}.png")
            let mask = Outcome.ok (Masks.read ImageLimits.standard path)

            { mask with
                Labels = mask.Labels |> Array.map (fun value -> if value = 255uy then 128uy else value)
            }
            |> Masks.write path
            |> Outcome.ok

    let description = Path.Combine(data, "dataset.json")

    File
        .ReadAllText(description)
        .Replace("[\"polyp\"]", "[\"polyp\", \"cyst\"]")
        .Replace("\"255\": \"polyp\"", "\"255\": \"polyp\", \"128\": \"cyst\"")
    |> fun text -> File.WriteAllText(description, text)

let within work =
    World.within (fun folder ->
        World.writeClip folder classes
        withCysts (Path.Combine(folder, "data"))
        work folder)

/// By whom prompts are read, and the image tower that goes with it.
type Reader =
    /// CLIP's own text tower.
    | Own
    /// A sentence encoder beside a tower that never saw text.
    | Sentences

let private sideOf reader =
    match reader with
    | Own -> 32
    | Sentences -> 64

let settings prompting =
    let plain = World.settings

    { plain with
        Method =
            { plain.Method with
                TrainingMode = Marginalisation.Never
                Alpha = 1.0
                ClassesBy = ClassesBy.Texts
                Prompting = prompting
            }
        Optimiser = { plain.Optimiser with Averaging = 0.5 }
    }

let request reader folder out prompting =
    let plain =
        { World.request folder out with
            Text = None
            Settings = settings prompting
        }

    match reader with
    | Own ->
        { plain with
            Weights = Path.Combine(folder, "clip")
        }
    | Sentences ->
        let encoder = Path.Combine(folder, "sentences")
        World.writeSentenceEncoder encoder

        { plain with
            Weights = Shared.path "weights/resnet50-imagenet"
            TextWeights = Some encoder
            Settings =
                { plain.Settings with
                    Method =
                        { plain.Settings.Method with
                            InputSize = sideOf reader
                        }
                }
        }

let sourceOf (request: TrainRequest) =
    Outcome.ok (TextSource.choose request.Text request.TextWeights)

let wording (rival: Rival) : PromptRival =
    match rival with
    | Rival.Prompts rival -> rival
    | Rival.Attention _ -> failtest "it words no prompts"
