namespace Mcdrl

open FsToolkit.ErrorHandling
open TorchSharp

/// What a run took of the model that it started from.
type StartReport =
    {
        /// The model's folder.
        Model: string
        /// What the run began with as the model has it.
        Taken: string list
        /// What was made anew, because the model has it for other classes or not at all.
        New: string list
    }

/// A model that training starts from, in memory.
[<NoComparison; NoEquality>]
type internal StartingModel =
    {
        /// As the request names it.
        Folder: string
        /// All of it.
        Model: Model
        /// The pretrained weights that the request names besides, of the same architecture.
        Pretrained: Weights option
    }

/// Training that starts from a model in place of a pretrained tower.
[<RequireQualifiedAccess>]
module FineTuning =
    /// The settings that fine-tuning has unless told otherwise: the model's own, but that a model that intervenes goes on doing so from
    /// the first step.
    let settings (manifest: Manifest) : Settings =
        let settings = manifest.Settings

        if manifest.Active then
            { settings with
                Optimiser =
                    { settings.Optimiser with
                        ActivationEpoch = 0
                    }
            }
        else
            settings

    let private refuse what where fix = Error(McdrlError.usage what where fix)

    let private requireNoRival folder (settings: MethodSettings) (model: Model) =
        if model.Rival.IsSome || settings.Prompting.IsSome || settings.Fusion.IsSome then
            refuse
                "rivals of the paper (method.prompting, method.fusion) can't be fine-tuned: what they learn of prompts is no part of it"
                $"“from” {folder}"
                "Start from a model without them, or train one afresh from “weights”"
        else
            Ok()

    /// Weights for new texts must be those of the model's own architecture.
    let private pretrained (request: TrainRequest) folder (model: Model) =
        if request.Weights = folder then
            Ok None
        else
            Weights.load request.Weights
            |> Result.bind (fun weights ->
                if Tower.name weights.Tower = Tower.name model.Tower then
                    Ok(Some weights)
                else
                    refuse
                        $"the weights hold {Tower.name weights.Tower}, the model's tower is {Tower.name model.Tower}"
                        $"“weights” {request.Weights}"
                        "Name the weights that the model was trained from, which only new texts need, or leave “weights” out")

    /// The model in `folder`, and a text tower where the request names weights besides.
    let internal load (request: TrainRequest) (folder: string) : Result<StartingModel, McdrlError> =
        result {
            let! model = Bundle.load folder
            do! requireNoRival folder request.Settings.Method model
            let! pretrained = pretrained request folder model

            return
                {
                    Folder = folder
                    Model = model
                    Pretrained = pretrained
                }
        }

    /// The model's tower, with the text tower and the vocabulary of the weights named besides.
    let internal weights (start: StartingModel) : Weights =
        {
            Path = start.Pretrained |> Option.map _.Path |> Option.defaultValue start.Folder
            Tower = start.Model.Tower
            Text = start.Pretrained |> Option.bind _.Text
        }

    let private own (start: StartingModel) = start.Model.Manifest.Settings.Method

    /// Whether P(z) is the model's own: the settings say of it what the model's say.
    let internal keepsPrior (settings: MethodSettings) (start: StartingModel) =
        let own = own start

        (own.Conditions, own.Prior, own.PriorSource) =
            (settings.Conditions, settings.Prior, settings.PriorSource)

    /// The prior as the settings have it, the model's where it is kept.
    let private prior (settings: MethodSettings) (start: StartingModel) (texts: Texts) =
        { texts with
            log_prior =
                if keepsPrior settings start then
                    start.Model.Texts.log_prior
                elif settings.Prior.IsEmpty then
                    Backdoor.logPrior (List.replicate settings.Conditions.Length 1.0)
                else
                    Backdoor.logPrior settings.Prior
        }

    /// Whether the model has all texts of these classes and conditions, and its dictionary is the one asked for.
    let internal hasTexts (settings: MethodSettings) (classes: string list) (start: StartingModel) =
        let own = own start

        Settings.wordsOf own start.Model.Manifest.Classes = Settings.wordsOf settings classes
        && own.Conditions = settings.Conditions
        && own.Dictionary = settings.Dictionary

    /// New texts are those of the model's text tower if it says of normal mucosa what that one said.
    let private requireSameEncoder folder (texts: Texts) (made: Texts) =
        use _scope = torch.NewDisposeScope()

        let isSame =
            made.normal.shape = texts.normal.shape
            && (let cosine = (unit made.normal).dot(unit (texts.normal.``to`` made.normal.dtype))
                cosine.item<float32>() > 0.999f)

        if isSame then
            Ok()
        else
            Error(
                McdrlError.model
                    "the texts come from another text tower than the model's: the same sentence has another embedding"
                    $"“from” {folder}"
                    "Name the text tower, sentence encoder or table that the model was trained with"
            )

    /// The texts to train with: the model's, or new ones of the source or of the weights named besides.
    let internal texts
        (request: TrainRequest)
        (source: TextSource)
        (classes: string list)
        (start: StartingModel)
        : Result<Texts, McdrlError> =
        let settings = request.Settings.Method
        let words = Settings.wordsOf settings classes

        if hasTexts settings classes start then
            Ok(prior settings start start.Model.Texts)
        elif source = TextSource.Own && (weights start).Text.IsNone then
            let listed = String.concat ", " words

            refuse
                $"the model has no texts of just these classes and conditions: {listed}, under {settings.Conditions.Length} conditions"
                $"“from” {start.Folder}"
                "Name also what its texts were made by: the CLIP of its tower with “weights”, a sentence encoder with “text_weights”, or a table with “text”"
        else
            result {
                let! embeddings =
                    PromptTable.resolve (weights start) source (Prompts.all words settings.Conditions)

                let made =
                    PromptTexts.ofEmbeddings words.Length settings.Conditions.Length None embeddings

                do! requireSameEncoder start.Folder start.Model.Texts made
                return prior settings start made
            }

    /// The one layer whose rows are classes, where the head tells them apart.
    let private tellsClasses (settings: MethodSettings) (path: string) =
        settings.ClassesBy = ClassesBy.Head && path.StartsWith "head.conv_2."

    /// The row of background or of a class of the same name in the model.
    let private rowIn (known: string list) (row: int) (classes: string list) =
        if row = 0 then
            Some 0
        else
            known
            |> List.tryFindIndex ((=) classes[row - 1])
            |> Option.map (fun index -> index + 1)

    /// The rows of the model where it has the class, the drawn ones where not.
    let private byClass (known: string list) (classes: string list) (drawn: Tensor) (own: Tensor) =
        scoped (fun () ->
            torch.stack
                [|
                    for row in 0 .. classes.Length ->
                        match rowIn known row classes with
                        | Some from -> own.select (0L, int64 from)
                        | None -> drawn.select (0L, int64 row)
                |])

    /// A drawn network with the model's weights in it. One of other layers or widths is a `Usage` error that names what differs.
    let internal network
        (settings: MethodSettings)
        (classes: string list)
        (drawn: Network)
        (start: StartingModel)
        : Result<Network, McdrlError> =
        let known = start.Model.Manifest.Classes
        let own = Tree.leaves start.Model.Network |> dict
        let names = Tree.leaves drawn |> List.map fst |> Set.ofList

        let differing =
            [
                for name, leaf in Tree.leaves drawn do
                    match own.TryGetValue name with
                    | true, found when found.shape = leaf.shape -> ()
                    | true, found when tellsClasses settings name && found.shape[1..] = leaf.shape[1..] -> ()
                    | true, found ->
                        $"{name} would be {shapeText leaf.shape}, the model's is {shapeText found.shape}"
                    | false, _ -> $"the model has no {name}"
                for name in own.Keys do
                    if not (names.Contains name) then
                        $"{name} of the model would have no place"
            ]

        if differing.IsEmpty then
            drawn
            |> Tree.mapi (fun name leaf ->
                if tellsClasses settings name && known <> classes then
                    byClass known classes leaf own[name]
                else
                    own[name])
            |> Ok
        else
            let listed = differing |> List.truncate 4 |> String.concat "; "

            refuse
                $"the settings describe another network than the model's in {differing.Length} of its tensors: {listed}"
                $"“from” {start.Folder}"
                "Leave method.layers, method.head_width, method.refinements, method.unselected and method.classes_by as the model has them, or train afresh"

    /// What the run begins with, for whoever asked for it.
    let internal report
        (settings: MethodSettings)
        (classes: string list)
        (start: StartingModel)
        : StartReport =
        let known = start.Model.Manifest.Classes
        let listed = String.concat ", "
        let tensors = (Tree.leaves start.Model.Network).Length
        let fresh = classes |> List.filter (fun name -> not (List.contains name known))
        let headTells = settings.ClassesBy = ClassesBy.Head

        let texts =
            $"texts of {listed classes} and of {settings.Conditions.Length} conditions"

        {
            Model = start.Folder
            Taken =
                [
                    $"tower {Tower.name start.Model.Tower}"
                    $"network of {tensors} tensors"
                    if hasTexts settings classes start then
                        texts
                ]
            New =
                [
                    if not (hasTexts settings classes start) then
                        texts
                    if headTells && not fresh.IsEmpty then
                        $"rows of the head's last layer for {listed fresh}"
                ]
        }
