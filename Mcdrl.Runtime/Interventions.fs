namespace Mcdrl

/// A scene as one condition shows it.
[<NoComparison; NoEquality>]
type ShownScene =
    {
        /// The frame for a network of this input size, [3, side, side] in [0, 1]. The caller disposes it.
        Frame: int -> Tensor
        Truth: LabelMap
        /// The labels of an upright mask of this frame at the pixels of the reference frame, row by row;
        /// `Interventional.unseen` where this frame doesn't show them.
        InReference: LabelMap -> byte[]
    }

/// A scene of a test site that can be seen under every condition.
[<NoComparison; NoEquality>]
type IntervenedScene =
    {
        Site: string
        Name: string
        /// Whether the training sites' bias goes with a condition for this scene; see `InterventionalView.Usual`.
        Usual: string -> bool option
        /// Reads or makes the scene once; what it gives shows it under a condition, or as it is for `None`.
        Open: unit -> Result<string option -> ShownScene, McdrlError>
    }

/// How conditions are done to the scenes of a dataset.
[<NoComparison; NoEquality>]
type Interventions =
    {
        /// One line on what was done, printed with every number.
        Description: string
        Conditions: string list
        /// Conditions of the dictionary that can't be done to these scenes.
        LeftOut: string list
        /// Conditions that leave every pixel in its place.
        Still: string list
        Scenes: IntervenedScene array
    }

[<RequireQualifiedAccess>]
module Interventions =
    let private names = Prompts.conditions |> List.map _.Name

    /// Operations on the pixels of a real frame that are what the condition does there. A film of mucus or blood over a
    /// frame is a drawing of one, and a camera can't be moved afterwards.
    let private onPixels =
        Conditions.byName
        |> List.filter (fun (name, _) -> name <> "mucus" && name <> "blood")

    let private ofFrame strength (seed: Seed) dataset (item: DatasetItem) : IntervenedScene =
        let seed = seed |> Seed.named item.Site |> Seed.named item.Stem

        let shown picture truth condition =
            let change side =
                match condition |> Option.bind (fun name -> List.tryFind (fst >> (=) name) onPixels) with
                | None -> Segmenter.frame side picture
                | Some(name, operation) ->
                    scoped (fun () ->
                        operation strength (Seed.named name seed) (Segmenter.frame side picture))

            {
                Frame = change
                Truth = truth
                InReference = _.Labels
            }

        {
            Site = item.Site
            Name = item.Stem
            Usual = fun _ -> None
            Open =
                fun () ->
                    Dataset.read dataset item
                    |> Result.map (fun (picture, truth) -> shown picture truth)
        }

    /// Recorded frames: conditions are done to their pixels, at the network's input size.
    let ofFrames
        (strength: float)
        (seed: Seed)
        (dataset: Dataset)
        (items: DatasetItem array)
        : Interventions =
        let possible =
            names |> List.filter (fun name -> List.exists (fst >> (=) name) onPixels)

        {
            Description =
                "recorded frames, conditions done to their pixels at the network's input size; class-aware Dice of each frame, mean over frames, empty-empty 1, original size"
            Conditions = possible
            LeftOut = List.except possible names
            Still = possible
            Scenes = items |> Array.map (ofFrame strength seed dataset)
        }
