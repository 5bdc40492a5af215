namespace Mcdrl

open System.IO

/// A scene as one condition shows it.
[<NoComparison; NoEquality>]
type internal ShownScene =
    {
        /// The frame for a network of this input size, [3, side, side] in [0, 1]. The caller disposes it.
        Frame: int -> Tensor
        Truth: LabelMap
        /// The labels of an upright mask of this frame at the pixels of the reference frame, row by row;
        /// `Interventional.unseen` where this frame doesn't show them.
        InReference: LabelMap -> byte[]
        /// Whether every pixel is where it is in the reference frame.
        Still: bool
    }

/// A scene of a test site that can be seen under every condition.
[<NoComparison; NoEquality>]
type internal IntervenedScene =
    {
        /// Whether the training sites' bias goes with a condition for this scene; see `InterventionalView.Usual`.
        Usual: string -> bool option
        /// Reads or makes the scene once; what it gives shows it under a condition, or as it is for `None`.
        Open: unit -> Result<string option -> ShownScene, McdrlError>
    }

/// How conditions are done to the scenes of a dataset.
[<NoComparison; NoEquality>]
type internal Interventions =
    {
        /// One line on what was done, printed with every number.
        Description: string
        Conditions: string list
        /// Conditions of the dictionary that can't be done to these scenes.
        LeftOut: string list
        Scenes: IntervenedScene array
        /// Of every condition, (0, 1].
        Strength: float
    }

[<RequireQualifiedAccess>]
module internal Interventions =
    let private names = Prompts.conditions |> List.map _.Name

    let private ofFrame strength (seed: Seed) dataset (item: DatasetItem) : IntervenedScene =
        let seed = seed |> Seed.named item.Site |> Seed.named item.Stem

        let shown picture truth condition =
            let change side =
                match
                    condition
                    |> Option.bind (fun name -> List.tryFind (fst >> (=) name) Conditions.onPixels)
                with
                | None -> Preprocessing.frame side picture
                | Some(name, operation) ->
                    scoped (fun () ->
                        operation strength (Seed.named name seed) (Preprocessing.frame side picture))

            {
                Frame = change
                Truth = truth
                InReference = fun map -> Ignored.without Interventional.unseen truth.Labels map.Labels
                Still = true
            }

        {
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
            names
            |> List.filter (fun name -> List.exists (fst >> (=) name) Conditions.onPixels)

        {
            Description =
                "recorded frames, conditions done to their pixels at the network's input size; class-aware Dice of each frame, mean over frames, empty-empty 1, original size"
            Conditions = possible
            LeftOut = List.except possible names
            Scenes = items |> Array.map (ofFrame strength seed dataset)
            Strength = strength
        }

    /// A mask of a rendered frame at the pixels of the scene's reference frame.
    let private undone scene condition (map: LabelMap) =
        let everywhere =
            { map with
                Labels = Array.create map.Labels.Length 1uy
            }

        let shown = (Phantom.undo scene condition everywhere).Labels

        (Phantom.undo scene condition map).Labels
        |> Array.mapi (fun pixel label -> if shown[pixel] = 0uy then Interventional.unseen else label)

    let private ofScene strength (seed: Seed) side (item: DatasetItem, scene: Scene) : IntervenedScene =
        let seed = seed |> Seed.named item.Site |> Seed.named item.Stem

        let shown name =
            let condition = name |> Option.map (fun name -> name, strength)
            let placed = seed |> Seed.named (Option.defaultValue "reference" name)
            let picture, truth = Phantom.render side scene condition placed
            let still = Phantom.geometry scene condition = PhantomGeometry.reference

            {
                Frame = fun side -> Preprocessing.frame side picture
                Truth = truth
                InReference = if still then _.Labels else undone scene condition
                Still = still
            }

        {
            Usual =
                fun name ->
                    scene.Lesion
                    |> Option.map (fun lesion -> List.contains name (Phantom.usual lesion.Class))
            Open = fun () -> Ok shown
        }

    /// Phantom scenes: each is rendered anew under every condition, side × side pixels.
    let ofScenes (strength: float) (seed: Seed) side (scenes: (DatasetItem * Scene) array) : Interventions =
        {
            Description =
                $"phantom scenes rendered under every condition, {side} x {side} pixels; class-aware Dice of each frame, mean over frames, empty-empty 1; usual conditions are those of confounded phantom data"
            Conditions = names
            LeftOut = []
            Scenes = scenes |> Array.map (ofScene strength seed side)
            Strength = strength
        }

    /// The strength of a rendered condition when none is asked for.
    let private usualInScenes = 0.7

    /// Whether a dataset is of phantom scenes, which can be rendered again.
    let areScenes (dataset: Dataset) =
        File.Exists(Path.Combine(dataset.Folder, "scenes.json"))

    /// The interventions that some frames of a dataset allow. Without a strength it is `Conditions.typical` for recorded frames,
    /// which is what grounding trains on, and 0.7 for scenes.
    let ofDataset
        (strength: float option)
        seed
        (dataset: Dataset)
        (items: DatasetItem array)
        : Result<Interventions, McdrlError> =
        if not (areScenes dataset) then
            Ok(ofFrames (Option.defaultValue Conditions.typical strength) seed dataset items)
        else
            let strength = Option.defaultValue usualInScenes strength

            PhantomDataset.scenes dataset.Folder
            |> Result.bind (fun known ->
                let byImage =
                    known.Frames
                    |> List.map (fun frame ->
                        Path.GetFullPath(Path.Combine(dataset.Folder, frame.Image)), frame)
                    |> Map.ofList

                let sceneOf (item: DatasetItem) =
                    match byImage.TryFind item.Image with
                    | None ->
                        Error(
                            McdrlError.data
                                "the frame's scene is not in scenes.json"
                                item.Image
                                "Render the dataset again with mcdrl phantom"
                        )
                    | Some frame ->
                        PhantomDataset.scene frame |> Result.map (fun (scene, _, _) -> item, scene)

                items
                |> Array.map sceneOf
                |> McdrlError.complete
                |> Result.map (ofScenes strength seed known.Side << Array.ofList))
