namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// A rival from the tensors of a bundle.
[<RequireQualifiedAccess>]
module RivalTensors =
    /// Channels of the maps that it may read, fine to coarse and then the dense map.
    let channels (tower: Tower) =
        Tower.skipChannels tower @ [ Tower.width tower ]

    let private refuse origin what =
        Error(McdrlError.model what origin "Copy the model again, whole")

    /// The shapes of the text tower that reads the prompts, below `frame.text`.
    let private textTemplate (origin: string) facts (tensors: Map<string, Tensor>) =
        let shapes = Shapes.ofTensors origin tensors |> Shapes.below "frame.text"

        if BertText.isShapeOf shapes then
            result {
                let! shape = BertText.shape shapes

                let divides (heads: Tensor) =
                    heads.dtype = torch.int64
                    && heads.numel () = 1L
                    && heads.item<int64>() > 0L
                    && shape.Width % heads.item<int64>() = 0L

                do!
                    match tensors.TryFind "frame.text.heads" with
                    | Some heads when divides heads -> Ok()
                    | _ ->
                        refuse
                            origin
                            "prompts.frame.text.heads is missing, or is no number of attention heads"

                return TextTower.Bert(BertText.template shape), shape.Vocabulary
            }
        else
            result {
                let! activation = Activation.ofFacts TextTower.activationKey origin facts
                let! shape = ClipText.shape shapes
                let text = ClipText.template shape |> ClipText.activatedBy activation
                return TextTower.Clip text, shape.Vocabulary
            }

    /// The tokens [start][class words][end] of each class, which the text tower must be able to take.
    let private tokensOf
        origin
        (text: TextTower)
        vocabulary
        (classes: string list)
        (tensors: Map<string, Tensor>)
        =
        match tensors.TryFind "frame.tokens" with
        | Some tokens when
            tokens.dtype = torch.int64
            && tokens.dim () = 2L
            && tokens.shape[0] = int64 classes.Length
            && tokens.shape[1] > 0L
            && tokens.shape[1] + PromptFrame.length <= int64 (TextTower.context text)
            && tokens.data<int64>().ToArray()
               |> Array.forall (fun id -> id >= 0L && id < vocabulary)
            ->
            Ok tokens
        | _ -> refuse origin "prompts.frame.tokens is missing, or is no list of tokens of the model's classes"

    /// The rival of a bundle, from its tensors by their names below `prompts.`; none where the bundle's texts say all. `facts` are
    /// those of the bundle's towers.
    let load
        (origin: string)
        (facts: Map<string, string>)
        (settings: MethodSettings)
        (tower: Tower)
        (texts: Texts)
        (classes: string list)
        (tensors: Map<string, Tensor>)
        : Result<Rival option, McdrlError> =
        match settings.Fusion, settings.Prompting with
        | Some Fusion.Medclipseg, _ ->
            let template =
                MedClipSeg.create (Tower.width tower) texts.conditions.shape[1] Filling.Shapes

            Tree.fill origin (Rival.Attention template) tensors |> Result.map Some
        | None, None
        | None, Some Prompting.Biomedcoop ->
            if tensors.IsEmpty then
                Ok None
            else
                refuse origin "it holds prompts that its settings don't have"
        | None, Some prompting ->
            result {
                let! text, vocabulary = textTemplate origin facts tensors
                let! tokens = tokensOf origin text vocabulary classes tensors

                let frame =
                    {
                        text = text
                        tokens = tokens.alias ()
                        context = Template.tensor [ PromptFrame.length; TextTower.width text ]
                    }

                let template =
                    PromptRival.create prompting frame None (channels tower) Filling.Shapes
                    |> Rival.Prompts

                return! Tree.fill origin template tensors |> Result.map Some
            }
