namespace Mcdrl

open System.Collections.Generic

/// What the network must know of the tower before it.
type TowerSizes =
    {
        /// Whether its features already live in the text's space.
        IsAligned: bool
        /// Channels of the dense map and of the image feature.
        Width: int64
        /// Channels of the skip maps, fine to coarse.
        SkipChannels: int64 list
    }

/// The trained part of a model before it has weights of its own: one description, of which shapes to load into and the
/// first values of training are made alike.
[<RequireQualifiedAccess>]
module NetworkTemplate =
    /// Hidden units of a layer of A, 10/3·d: at d = 768 it then has the 6.29 M weights of the paper's Table 5.
    let private hidden (width: int64) = (10L * width + 1L) / 3L

    /// A of `depth` layers over width d.
    let intervention (width: int64) (depth: int) filling : Intervention =
        let layer index =
            let filling = Filling.split index filling

            {
                ln_1 = Init.layerNorm width filling
                attn = Init.attention width (Filling.named "attn" filling)
                ln_2 = Init.layerNorm width filling
                c_fc = Init.linear width (hidden width) (Filling.named "c_fc" filling)
                c_proj = Init.linear (hidden width) width (Filling.named "c_proj" filling)
            }

        { layers = List.init depth layer }

    /// H over width d, which tells so many classes from background. `skipChannels` are the channels of the maps that its
    /// refinements read, coarse to fine; empty for none.
    let head (width: int64) (hidden: int64) (skipChannels: int64 list) (classes: int64) filling : Head =
        {
            ln = Init.layerNorm width filling
            conv_1 = Init.conv2d width hidden 3L (Filling.named "conv_1" filling)
            refinements =
                skipChannels
                |> List.mapi (fun index channels ->
                    Refinement.create channels hidden width (Filling.split index filling))
            conv_2 = Init.conv2d hidden (classes + 1L) 1L (Filling.named "conv_2" filling)
        }

    /// The network that the settings describe, for texts of this many classes and this width.
    let create (settings: MethodSettings) (tower: TowerSizes) (texts: Texts) filling : Network =
        let classes, width = texts.classes.shape[1], texts.classes.shape[2]
        let hidden = int64 settings.HeadWidth
        let read = tower.SkipChannels |> List.rev |> List.truncate settings.Refinements

        {
            projection =
                if tower.IsAligned then
                    None
                else
                    Some(Init.linear tower.Width width (Filling.named "projection" filling))
            intervention = intervention width settings.Layers (Filling.named "intervention" filling)
            background =
                match settings.Unselected with
                | Unselected.Dense -> None
                | Unselected.Background ->
                    Some(
                        filling
                        |> Filling.named "background"
                        |> Filling.fill SeedTensors.normal [ width ]
                    )
            head =
                head
                    width
                    hidden
                    read
                    (match settings.ClassesBy with
                     | ClassesBy.Head -> classes
                     | ClassesBy.Texts -> 1L)
                    (Filling.named "head" filling)
            style =
                if read.IsEmpty then
                    None
                else
                    Some(Init.linear (2L * hidden * int64 read.Length) width (Filling.named "style" filling))
            text_classes =
                match settings.ClassesBy with
                | ClassesBy.Head -> None
                | ClassesBy.Texts -> Some(TextClasses.create filling)
            log_prior = None
        }

    /// The same network with the tensors of `source`, see `Tree.load`.
    let load
        (origin: string)
        (settings: MethodSettings)
        (tower: TowerSizes)
        (texts: Texts)
        (source: IReadOnlyDictionary<string, Tensor>)
        : Result<Network, McdrlError> =
        Tree.fill origin (create settings tower texts Filling.Shapes) source
