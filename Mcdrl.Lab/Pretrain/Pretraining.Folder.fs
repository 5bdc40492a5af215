namespace Mcdrl

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open FsToolkit.ErrorHandling

/// How a pretrained CLIP came about and what it can do.
type PretrainingRecord =
    {
        /// What made it, with its version.
        Product: string
        /// What everything was drawn from.
        Seed: uint64
        /// What was asked for.
        Settings: PretrainingSettings
        /// Those of the world it was shown, label 1 first.
        Classes: string list
        /// Those of the world it was shown.
        Conditions: string list
        /// Numbers in the image tower.
        ImageWeights: int64
        /// Numbers in the text tower.
        TextWeights: int64
        /// The towers' names.
        Tower: string
        /// What it can tell without training on masks.
        ZeroShot: ZeroShotReport
    }

/// A pretrained CLIP as a folder that `Weights.load` reads: `model.safetensors` under OpenAI's names, `vocab.json`,
/// `merges.txt`, `recipe.json` and a card, `README.md`.
[<RequireQualifiedAccess>]
module PretrainingFolder =
    let internal weightsName = "model.safetensors"
    let internal recipeName = "recipe.json"
    let internal cardName = "README.md"

    let private vocabularyJson (vocabulary: Vocabulary) =
        let json = JsonObject()

        vocabulary.Tokens
        |> List.iteri (fun id token -> json.Add(token, JsonValue.Create id))

        json.ToJsonString(JsonSerializerOptions(WriteIndented = true)) + "\n"

    let private percent (share: float) = $"{100.0 * share:F1} %%"

    /// The measured figures as Markdown.
    let figures (record: PretrainingRecord) : string list =
        let z = record.ZeroShot
        let k, m = record.Classes.Length, record.Conditions.Length

        let named names shares =
            List.map2 (fun name share -> $"{name} {percent share}") names shares
            |> String.concat ", "

        [
            "| zero-shot | right | chance | frames |"
            "|---|---|---|---|"
            $"| lesion class | {percent z.ClassAccuracy} | {percent (1.0 / float k)} | {z.LesionFrames} |"
            $"| imaging condition | {percent z.ConditionAccuracy} | {percent (1.0 / float m)} | {z.ConditionFrames} |"
            ""
            $"By class: {named record.Classes z.PerClass}."
            ""
            $"By condition: {named record.Conditions z.PerCondition}."
            ""
            "Share of a frame's lesion cells among the cells that Eq. 6 keeps, by which prompts choose the cells:"
            ""
            "| α | all class prompts (Eq. 6) | the frame's class | another class (shuffled) | condition prompts | random cells |"
            "|---|---|---|---|---|---|"
            for rate in z.HitRates do
                $"| {rate.Alpha:F1} | {rate.AllClasses:F3} | {rate.OwnClass:F3} | {rate.OtherClass:F3} | {rate.Conditions:F3} | {rate.Random:F3} |"
        ]

    let private card (record: PretrainingRecord) (digests: (string * string) list) =
        let s = record.Settings

        let aligned =
            if s.Alignment > 0.0 then
                $"plus {s.Alignment} × a cell-text loss: cross-entropy of each cell's cosines to the prompts of normal mucosa and of the classes (temperature {s.AlignmentTau}), with the phantom's own masks as truth. So the dense map has seen masks of phantom frames, no other frames"
            else
                "and nothing else: no mask was seen"

        String.concat
            "\n"
            [
                "# mini: a small CLIP of endoscopic phantoms"
                ""
                "**Not a medical device. Not for clinical use.** It has seen rendered frames only, never a patient's."
                ""
                $"An image tower ({record.Tower}, {record.ImageWeights} weights, input {s.InputSize} px, {s.InputSize / 8} × {s.InputSize / 8} cells) and a text tower ({s.TextLayers} layers of width {s.TextWidth}, {record.TextWeights} weights, at most {s.Context} tokens) with a joint width of {s.Embed}, in OpenAI's key layout, with a vocabulary of its own."
                ""
                "## Recipe"
                ""
                $"{s.Steps} steps of {s.BatchSize} frames, {s.Captions} captions each; seed {record.Seed}; written by {record.Product}. All settings are in `{recipeName}`."
                ""
                $"Frames come from the phantom: hospitals drawn at random, none of them one of the phantom's five sites; {record.Classes.Length} classes and {record.Conditions.Length} conditions drawn independently of each other, {percent s.Normal} without a lesion, {percent s.Plain} without a condition. Each frame is rendered once and never repeated."
                ""
                "Captions come from a grammar of lesion, place, size and condition that contains the method's own prompts. The loss is CLIP's symmetric one with several positives: a caption counts as a positive of every frame of the batch of which it is true, so no true pair is pushed apart; "
                + aligned
                + "."
                ""
                "It has seen every lesion class and condition of the phantom, but none of its five sites: figures on these sites are about unseen hospitals, not about unseen lesion kinds."
                ""
                "Reproduce with `dotnet fsi build.fsx pretrain` (same machine, same bytes)."
                ""
                "## Measured"
                ""
                $"On {record.ZeroShot.Frames} frames of the same distribution that pretraining never saw."
                ""
                yield! figures record
                ""
                "## Files"
                ""
                "| file | sha256 |"
                "|---|---|"
                for name, digest in digests do
                    $"| {name} | {digest} |"
                ""
            ]

    /// All that it writes.
    let private files =
        [ weightsName; "vocab.json"; "merges.txt"; recipeName; cardName ]

    /// Larger than any recipe.
    let private largestRecipe = 1_000_000L

    /// Whether the folder has the recipe of a pretraining, by whatever version.
    let private isOurs (folder: string) =
        try
            match Files.readText largestRecipe (Path.Combine(folder, recipeName)) with
            | Error _ -> false
            | Ok text ->
                match JsonNode.Parse text with
                | :? JsonObject as recipe ->
                    [ "product"; "settings"; "zero_shot" ] |> List.forall recipe.ContainsKey
                | _ -> false
        with :? JsonException ->
            false

    /// A folder may be replaced that isn't there, is empty, or holds what pretraining wrote and nothing else.
    let internal mayReplace (folder: string) : Result<unit, McdrlError> =
        let refuse what =
            Error(McdrlError.usage what folder "Give a new folder, or remove what is there yourself")

        Files.attempt folder (fun () ->
            if File.Exists folder then
                None
            elif Directory.Exists folder then
                Directory.EnumerateFileSystemEntries folder
                |> Seq.map (fun path -> nonNull (Path.GetFileName path))
                |> Seq.filter (Leftovers.isName >> not)
                |> Seq.sort
                |> List.ofSeq
                |> Some
            else
                Some [])
        |> Result.bind (fun held ->
            match held with
            | None -> refuse "this is a file"
            | Some [] -> Ok()
            | Some held ->
                match held |> List.filter (fun name -> not (List.contains name files)) with
                | [] when isOurs folder -> Ok()
                | [] ->
                    refuse $"it would be replaced, and its {recipeName} is not one that pretraining wrote"
                | others ->
                    let named = others |> List.truncate 5 |> String.concat ", "
                    refuse $"it would be replaced, and holds what pretraining did not write: {named}")

    let private swap (made: string) (folder: string) =
        mayReplace folder
        |> Result.bind (fun () ->
            Files.attempt folder (fun () ->
                let aside = $"{made}.old"

                if Directory.Exists folder then
                    Directory.Move(folder, aside)

                try
                    Directory.Move(made, folder)
                finally
                    if not (Directory.Exists folder) && Directory.Exists aside then
                        Directory.Move(aside, folder)

                if Directory.Exists aside then
                    Directory.Delete(aside, true)))

    /// Replaces `folder` by a new one, all at once. `record` is asked for its figures when the weights are on the disk,
    /// with the folder they lie in, so that what is measured is what was written.
    let internal write
        (folder: string)
        (vocabulary: Vocabulary)
        (clip: Clip)
        (measured: string -> Result<PretrainingRecord, McdrlError>)
        : Result<PretrainingRecord, McdrlError> =
        let folder =
            FileIdentity.realPath folder
            |> Option.defaultValue (Path.GetFullPath folder)
            |> _.TrimEnd(Path.DirectorySeparatorChar)

        let made =
            Path.Combine(
                Path.GetDirectoryName folder |> Option.ofObj |> Option.defaultValue "/",
                $".mcdrl-{Guid.NewGuid():N}.tmp"
            )

        let inside name = Path.Combine(made, name)

        let written =
            result {
                do! Safetensors.write (inside weightsName) Map.empty (Pretraining.named clip)
                do! Files.writeText (inside "vocab.json") (vocabularyJson vocabulary)
                do! Files.writeText (inside "merges.txt") (Vocabulary.mergesText vocabulary)
                let! record = measured made
                do! Files.writeText (inside recipeName) (RecordJson.render record)

                let! digests =
                    [ weightsName; "vocab.json"; "merges.txt"; recipeName ]
                    |> List.traverseResultM (fun name ->
                        Files.sha256 (inside name) |> Result.map (fun digest -> name, digest))

                do! Files.writeText (inside cardName) (card record digests)
                do! swap made folder
                return record
            }

        if written.IsError && Directory.Exists made then
            Files.attempt made (fun () -> Directory.Delete(made, true))
            |> Result.bind (fun () -> written)
        else
            written
