namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// Where a rival comes from: the text tower and the vocabulary of the weights before training, a bundle after it.
[<RequireQualifiedAccess>]
module RivalSource =
    /// Channels of the maps that it may read, fine to coarse and then the dense map.
    let private channels (tower: Tower) =
        Tower.skipChannels tower @ [ Tower.width tower ]

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

    /// The rival that the settings name, before training. It needs weights with a text tower.
    let create
        (settings: MethodSettings)
        (weights: Weights)
        (classes: string list)
        seed
        : Result<Rival option, McdrlError> =
        let words = Settings.wordsOf settings classes

        match settings.Prompting, weights.Text with
        | None, _ -> Ok None
        | Some _, None ->
            Error(
                McdrlError.usage
                    $"{Tower.name weights.Tower} has no text tower, without which prompts can't be learned"
                    "method.prompting"
                    "Use the weights of a CLIP, or leave method.prompting out"
            )
        | Some prompting, Some text ->
            result {
                let! tokenizer = Weights.tokenizer weights
                let! frame = frame text tokenizer words

                let! ensemble =
                    match prompting with
                    | Prompting.Biomedcoop -> ensemble text tokenizer words |> Result.map Some
                    | Prompting.Cocoop
                    | Prompting.Stylip -> Ok None

                return Some(Rival.create prompting frame ensemble (channels weights.Tower) seed)
            }

    let private refuse origin what =
        Error(McdrlError.model what origin "Copy the model again, whole")

    /// The tokens [SOS][class words][EOS] of each class, which the text tower must be able to take.
    let private tokensOf origin (shape: ClipTextShape) (classes: string list) (tensors: Map<string, Tensor>) =
        match tensors.TryFind "frame.tokens" with
        | Some tokens when
            tokens.dtype = torch.int64
            && tokens.dim () = 2L
            && tokens.shape[0] = int64 classes.Length
            && tokens.shape[1] > 0L
            && tokens.shape[1] + PromptFrame.length <= shape.Context
            && tokens.data<int64>().ToArray()
               |> Array.forall (fun id -> id >= 0L && id < shape.Vocabulary)
            ->
            Ok tokens
        | _ -> refuse origin "prompts.frame.tokens is missing, or is no list of tokens of the model's classes"

    /// The rival of a bundle, from its tensors by their names below `prompts.`; none where the bundle's texts say all.
    let load
        (origin: string)
        (settings: MethodSettings)
        (tower: Tower)
        (classes: string list)
        (tensors: Map<string, Tensor>)
        : Result<Rival option, McdrlError> =
        match settings.Prompting with
        | None
        | Some Prompting.Biomedcoop ->
            if tensors.IsEmpty then
                Ok None
            else
                refuse origin "it holds prompts that its settings don't have"
        | Some prompting ->
            result {
                let! shape =
                    Shapes.ofTensors origin tensors |> Shapes.below "frame.text" |> ClipText.shape

                let! tokens = tokensOf origin shape classes tensors

                let frame =
                    {
                        text = ClipText.template shape
                        tokens = tokens.alias ()
                        context = Template.tensor [ PromptFrame.length; shape.Width ]
                    }

                let template = Rival.create prompting frame None (channels tower) (Seed.create 0UL)

                let loaded = Tree.load origin template tensors
                Tree.tensors template |> List.iter _.Dispose()
                return! Result.map Some loaded
            }
