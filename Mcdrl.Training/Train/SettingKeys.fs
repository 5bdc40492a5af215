namespace Mcdrl

open System.Text
open System.Text.Json
open System.Text.Json.Nodes

/// What a setting may be.
[<RequireQualifiedAccess>]
type SettingRange =
    /// A whole number between these, both included.
    | Whole of lowest: int * highest: int
    /// A number between these, both included unless said otherwise.
    | Number of lowest: float * highest: float
    /// `true` or `false`.
    | Flag
    /// One of these words.
    | OneOf of string list
    /// Something else, in words.
    | Other of string

/// A setting of a configuration.
type SettingKey =
    {
        /// With dots, as `--set` takes it.
        Key: string
        /// What it may be.
        Range: SettingRange
        /// Whether it may be left out, or `null`.
        IsOptional: bool
        /// What it does, in a sentence or two.
        Meaning: string
    }

/// Every setting of a configuration with what it may be and what it does: for `mcdrl settings`, and for a configuration with comments.
[<RequireQualifiedAccess>]
module SettingKeys =
    let private key name range meaning =
        {
            Key = name
            Range = range
            IsOptional = false
            Meaning = meaning
        }

    let private option name range meaning =
        { key name range meaning with
            IsOptional = true
        }

    let private whole low high = SettingRange.Whole(low, high)
    let private number low high = SettingRange.Number(low, high)

    let private words (modes: Marginalisation list) =
        SettingRange.OneOf(modes |> List.map Marginalisation.name)

    /// All, in the order of a configuration.
    let all: SettingKey list =
        [
            key
                "method.input_size"
                (whole ModelLimits.smallestSide ModelLimits.largestSide)
                "Side of the square network input in pixels; a multiple of the tower's patch or stride."
            key
                "method.dense_mode"
                (SettingRange.OneOf [ "plain"; "maskclip"; "sclip" ])
                "How the dense map is read off a CLIP tower's last block; a plain ResNet has but one way."
            key
                "method.alpha"
                (number 0.0 1.0)
                "Share of cells that become regions (Eq. 6), above 0; 1 keeps all, which is “without MTRS”."
            key
                "method.conditions"
                (SettingRange.Other "1 to 256 texts, each given once")
                "The dictionary of imaging conditions: words that follow “An endoscopy image with”."
            option
                "method.dictionary"
                (SettingRange.OneOf [ "random"; "shuffled"; "constant" ])
                "A control: what stands in the dictionary in place of the embeddings of its prompts."
            key
                "method.prior"
                (SettingRange.Other "a weight of at least 0 for each condition, or an empty list")
                "P(z), the weight of each condition; empty for uniform."
            option
                "method.prior_source"
                (SettingRange.OneOf [ "estimated"; "learned" ])
                "Where P(z) comes from in place of method.prior: from the training frames by CLIP's similarity, or trained."
            key "method.layers" (whole 1 64) "Depth of the intervention network."
            key
                "method.unselected"
                (SettingRange.OneOf [ "dense"; "background" ])
                "What the cells hold that are no regions: the dense map as it is, or one learned vector."
            key
                "method.training_mode"
                (words Marginalisation.training)
                "How training intervenes once activation_epoch is over."
            key
                "method.marginalisation"
                (words Marginalisation.answering)
                "How answers marginalise over the conditions unless --mode says otherwise."
            key "method.head_width" (whole 1 4096) "Channels inside the head."
            key
                "method.classes_by"
                (SettingRange.OneOf [ "head"; "texts" ])
                "What tells the classes apart: the head's own output, or similarity to the class texts."
            key
                "method.refinements"
                (whole 0 16)
                "Earlier maps of the tower that the head reads, for finer outlines; 0 for none."
            option
                "method.prompting"
                (SettingRange.OneOf [ "cocoop"; "stylip"; "biomedcoop" ])
                "A rival that learns the class texts in place of the fixed prompts; needs training_mode never."
            option
                "method.fusion"
                (SettingRange.OneOf [ "medclipseg" ])
                "A rival that lets image and texts attend to each other; needs training_mode never."
            option
                "method.class_words"
                (SettingRange.Other "an object from classes to words")
                "What prompts call a class, by its name in the dataset; others go by their names."
            option
                "method.flips"
                (SettingRange.OneOf [ "horizontal"; "both" ])
                "Mirror images that are answered too and averaged: twice or four times the time of an answer."
            option
                "method.instance_norm"
                (whole 0 3)
                "First parts of a plain ResNet that normalise each frame by its own statistics, which takes its style out."
            option
                "method.min_area"
                (number 0.0 0.1)
                "Regions that cover a smaller share of the frame are not marked in answers."
            key "loss.causal" (number 0.0 1e6) "λ1 of Eq. 9, the weight of the causal loss (Eq. 11)."
            key "loss.contrast" (number 0.0 1e6) "λ2 of Eq. 9, the weight of the contrastive loss (Eq. 12)."
            key "loss.tau" (number 1e-4 1e4) "τ of Eq. 12, the temperature of the contrastive loss."
            key
                "loss.dice"
                (number 0.0 1e6)
                "Weight of the Dice loss, which small lesions weigh as much in as large ones."
            option
                "loss.dice_smoothing"
                (number 1e-6 1.0)
                "What is added to the Dice loss's sums, as a share of the frame, so that marks in frames without a lesion cost; one pixel if absent."
            key
                "loss.alignment"
                (number 0.0 1e6)
                "Weight of the cell-text alignment, which a tower that never saw text needs."
            key "loss.alignment_tau" (number 1e-4 1e4) "The temperature of the cell-text alignment."
            key
                "loss.grounding"
                (number 0.0 1e6)
                "How strongly what A foretells of a condition is held to what the tower sees when it is done to the frame; needs augmentation.pairs."
            key
                "loss.invariance"
                (number 0.0 1e6)
                "How strongly the answers to a frame and to the frame under a condition are held to be the same; needs augmentation.pairs."
            key
                "optimiser.epochs"
                (whole 1 100000)
                "Passes over the training frames. With --resume a larger number makes a run longer."
            key
                "optimiser.activation_epoch"
                (whole 0 1_000_000)
                "Epochs in which the intervention is still off."
            key
                "optimiser.warmup_epochs"
                (number 0.0 1e5)
                "Epochs, or a part of one, in which the learning rate rises; it falls to 0 along a cosine after them."
            key "optimiser.batch_size" (whole 1 4096) "Frames that one training step sees together."
            key "optimiser.learning_rate" (number 0.0 10.0) "The highest learning rate."
            key
                "optimiser.tower_factor"
                (number 0.0 1.0)
                "The tower's learning rate as a share of learning_rate."
            key
                "optimiser.trained_blocks"
                (whole 0 1000)
                "Upper blocks of the tower (stages of a ResNet) that are trained; 0 freezes it, which is much quicker."
            option
                "optimiser.tower_precision"
                (SettingRange.OneOf [ "fp32"; "bf16" ])
                "What training computes a plain ResNet in: bf16 takes about half the time on processors with AVX512-BF16 or AMX."
            key "optimiser.weight_decay" (number 0.0 1.0) "AdamW's decoupled decay."
            key "optimiser.gradient_clip" (number 1e-6 1e6) "Largest norm of the whole gradient."
            key
                "optimiser.averaging"
                (number 0.0 1.0)
                "Decay of the running average of the weights that is validated and kept, below 1; 0 keeps the last weights."
            key
                "augmentation.flips"
                SettingRange.Flag
                "Mirror half of the views left to right, and half top to bottom."
            key "augmentation.quarter_turns" SettingRange.Flag "Turn views by multiples of 90°."
            key "augmentation.rotation" (number 0.0 180.0) "Largest rotation in degrees."
            key "augmentation.scale" (number 0.0 4.0) "Scale is drawn from 1/(1 + s) to 1 + s."
            key "augmentation.shift" (number 0.0 1.0) "Largest shift as a share of the side."
            key
                "augmentation.colour"
                (number 0.0 1.0)
                "Strength of changes of brightness, contrast, saturation and tint."
            option
                "augmentation.colour_exchange"
                (number 0.0 1.0)
                "Probability that a frame takes over the colours of a frame of another training site; none where there is but one."
            key
                "augmentation.conditions"
                (number 0.0 1.0)
                "Probability that an imaging condition is rendered onto a view."
            key
                "augmentation.pairs"
                SettingRange.Flag
                "Whether each view is also seen under a condition drawn from P(z), as grounding and invariance need."
            key
                "augmentation.views"
                (whole 0 64)
                "Views of a frame that are drawn once and used in turn, whose features are kept with a frozen tower; 0 draws new ones."
            key
                "validation"
                (number 0.0 1.0)
                "Share of each training site's frames that is held back to choose the epoch, above 0 and below 1."
        ]

    /// Their names.
    let names: string list = all |> List.map _.Key

    /// A range in words.
    let rangeText (key: SettingKey) : string =
        let plain (value: float) =
            value.ToString("0.######", System.Globalization.CultureInfo.InvariantCulture)

        let said =
            match key.Range with
            | SettingRange.Whole(low, high) -> $"a whole number, {low} to {high}"
            | SettingRange.Number(low, high) -> $"{plain low} to {plain high}"
            | SettingRange.Flag -> "true or false"
            | SettingRange.OneOf words -> String.concat ", " words
            | SettingRange.Other words -> words

        if key.IsOptional then $"{said}; or null" else said

    /// The value of a key in settings, as JSON; `null` where an optional one is absent.
    let value (settings: Settings) (key: string) : string =
        let rec find (node: JsonNode | null) (parts: string list) =
            match node, parts with
            | null, _ -> "null"
            | node, [] ->
                node.ToJsonString(
                    JsonSerializerOptions(Encoder = Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)
                )
            | node, part :: rest -> find (node[part]) rest

        find (RecordJson.toObject settings) (List.ofArray (key.Split '.'))

    /// Settings as a configuration file that says of each what it does and may be, in lines that begin with `//`.
    let commented (origin: string) (settings: Settings) : string =
        let text = StringBuilder()

        let line (indent: int) (content: string) =
            text.Append(' ', indent).Append(content).Append '\n' |> ignore

        let groups =
            all
            |> List.groupBy (fun key ->
                match key.Key.IndexOf '.' with
                | -1 -> None
                | dot -> Some(key.Key.Substring(0, dot)))

        let entries indent (keys: SettingKey list) isLast =
            keys
            |> List.iteri (fun index key ->
                let name = key.Key.Substring(key.Key.IndexOf '.' + 1)
                let comma = if isLast && index = keys.Length - 1 then "" else ","
                line indent $"// {key.Meaning} ({rangeText key})"
                line indent $"\"{name}\": {value settings key.Key}{comma}")

        line 0 $"// Settings of `mcdrl train --config`, from {origin}. Lines that begin with // are comments."
        line 0 "{"

        groups
        |> List.iteri (fun index (group, keys) ->
            let isLast = index = groups.Length - 1

            match group with
            | None -> entries 2 keys isLast
            | Some name ->
                line 2 $"\"{name}\": {{"
                entries 4 keys true
                line 2 (if isLast then "}" else "},"))

        line 0 "}"
        text.ToString()
