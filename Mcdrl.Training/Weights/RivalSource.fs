namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// A rival before training, from the text tower and the vocabulary of the weights.
[<RequireQualifiedAccess>]
module internal RivalSource =
    let private inner (tokenizer: ClipTokenizer) (text: string) =
        let ids = ClipTokenizer.encode tokenizer text
        ids[1 .. ids.Length - 2]

    let private frame (text: ClipText) (tokenizer: ClipTokenizer) (classes: string list) =
        result {
            let room = ClipText.context text - int PromptFrame.length
            let! padded = ClipTokenizer.batch room tokenizer classes

            let longest =
                classes
                |> List.map (fun name -> (ClipTokenizer.encode tokenizer name).Length)
                |> List.max

            let tokens = padded.narrow(1L, 0L, int64 longest).contiguous()
            return PromptFrame.create text (List.map (inner tokenizer) PromptFrame.words) tokens
        }

    /// Features of the descriptive prompts, [K, P, d]. A prompt too long for the tower is left out for every class.
    let private ensemble (text: ClipText) (tokenizer: ClipTokenizer) (classes: string list) =
        let fits (prompt: string) =
            (ClipTokenizer.encode tokenizer prompt).Length <= ClipText.context text

        let usable =
            classes
            |> List.map BiomedPrompts.ofClass
            |> List.transpose
            |> List.filter (List.forall fits)

        if usable.IsEmpty then
            Error(
                McdrlError.usage
                    "every descriptive prompt is too long for the text tower"
                    "method.prompting=biomedcoop"
                    "Use a tower that takes longer texts, or shorter class names"
            )
        else
            PromptTable.ofTower text tokenizer (usable |> List.transpose |> List.concat)
            |> Result.map (fun features ->
                features.unflatten (0L, [| int64 classes.Length; int64 usable.Length |]))

    /// The rival that the settings name, before training. One that words the class texts needs weights with a text tower.
    let create
        (settings: MethodSettings)
        (weights: Weights)
        (texts: Texts)
        (classes: string list)
        seed
        : Result<Rival option, McdrlError> =
        let words = Settings.wordsOf settings classes

        match settings.Fusion, settings.Prompting, weights.Text with
        | Some Fusion.Medclipseg, _, _ ->
            MedClipSeg.create (Tower.width weights.Tower) texts.conditions.shape[1] (Filling.Drawn seed)
            |> Rival.Attention
            |> Some
            |> Ok
        | None, None, _ -> Ok None
        | None, Some _, None ->
            Error(
                McdrlError.usage
                    $"{Tower.name weights.Tower} has no text tower, without which prompts can't be learned"
                    "method.prompting"
                    "Use the weights of a CLIP, or leave method.prompting out"
            )
        | None, Some prompting, Some text ->
            result {
                let! tokenizer = Weights.tokenizer weights
                let! frame = frame text tokenizer words

                let! ensemble =
                    match prompting with
                    | Prompting.Biomedcoop -> ensemble text tokenizer words |> Result.map Some
                    | Prompting.Cocoop
                    | Prompting.Stylip -> Ok None

                let channels = RivalTensors.channels weights.Tower

                return
                    PromptRival.create prompting frame ensemble channels (Filling.Drawn seed)
                    |> Rival.Prompts
                    |> Some
            }
