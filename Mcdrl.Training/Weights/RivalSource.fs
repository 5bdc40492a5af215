namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// A rival before training, from a text tower and its vocabulary.
[<RequireQualifiedAccess>]
module internal RivalSource =
    /// A sentence encoder that knows the tokens of these texts alone, and those tokens by its ids: start first, end last,
    /// as `PromptFrame` wants them. A bundle that keeps it is half as large as one with all words of the language. The
    /// whole vocabulary is freed.
    let private restricted (text: BertText) (texts: int64 list list) =
        let start, stop = List.head texts.Head, List.last texts.Head

        let inner =
            texts
            |> List.collect (fun ids -> ids[1 .. ids.Length - 2])
            |> List.distinct
            |> List.except [ start; stop ]

        let known = start :: inner @ [ stop ]
        let places = known |> List.mapi (fun place id -> id, int64 place) |> Map.ofList
        let small = BertText.restricted known text
        text.embeddings.word_embeddings.weight.Dispose()
        small, texts |> List.map (List.map (fun id -> places[id]))

    let private frame (encoder: TextEncoder) (classes: string list) =
        let context = TextTower.context (TextEncoder.tower encoder)
        let room = context - int PromptFrame.length
        let all = PromptFrame.words @ classes
        let ids = List.map (TextEncoder.encode encoder) all

        let text, ids =
            match encoder with
            | TextEncoder.Clip(text, _) -> TextTower.Clip text, ids
            | TextEncoder.Bert(text, _) ->
                let text, ids = restricted text ids
                TextTower.Bert text, ids

        let words, named = List.splitAt PromptFrame.words.Length ids

        TokenRows.padded room (List.zip classes named)
        |> Result.map (fun padded ->
            let longest = named |> List.map _.Length |> List.max
            let tokens = padded.narrow(1L, 0L, int64 longest).contiguous()
            PromptFrame.create text [ for ids in words -> ids[1 .. ids.Length - 2] ] tokens)

    /// Features of the descriptive prompts, [K, P, d]. A prompt too long for the tower is left out for every class.
    let private ensemble (encoder: TextEncoder) (classes: string list) =
        let context = TextTower.context (TextEncoder.tower encoder)

        let fits (prompt: string) =
            (TextEncoder.encode encoder prompt).Length <= context

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
            TextEncoder.features encoder (usable |> List.transpose |> List.concat)
            |> Result.map (fun features ->
                features.unflatten (0L, [| int64 classes.Length; int64 usable.Length |]))

    /// The rival that the settings name, before training. One that words the class texts needs a text tower, of the weights
    /// or of the source; one that attends to texts needs these, of a table or not.
    let create
        (settings: MethodSettings)
        (weights: Weights)
        (source: TextSource)
        (texts: Texts)
        (classes: string list)
        seed
        : Result<Rival option, McdrlError> =
        match settings.Fusion, settings.Prompting with
        | Some Fusion.Medclipseg, _ ->
            MedClipSeg.create (Tower.width weights.Tower) texts.conditions.shape[1] (Filling.Drawn seed)
            |> Rival.Attention
            |> Some
            |> Ok
        | None, None -> Ok None
        | None, Some prompting ->
            result {
                let words = Settings.wordsOf settings classes

                let! encoder =
                    TextEncoder.find weights source
                    |> Result.bind (
                        Result.requireSome (
                            McdrlError.usage
                                $"{Tower.name weights.Tower} has no text tower, without which prompts can't be learned"
                                "method.prompting"
                                "Use the weights of a CLIP, give a sentence encoder with “text_weights”, or leave method.prompting out"
                        )
                    )

                let! ensemble =
                    match prompting with
                    | Prompting.Biomedcoop -> ensemble encoder words |> Result.map Some
                    | Prompting.Cocoop
                    | Prompting.Stylip -> Ok None

                let! frame = frame encoder words
                let channels = RivalTensors.channels weights.Tower

                return
                    PromptRival.create prompting frame ensemble channels (Filling.Drawn seed)
                    |> Rival.Prompts
                    |> Some
            }
