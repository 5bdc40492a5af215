namespace Mcdrl

/// The network that some settings describe.
[<RequireQualifiedAccess>]
module NetworkTemplate =
    /// The first weights of a network for a tower of `towerWidth` channels and skip maps of `skipChannels` (fine to
    /// coarse). `aligned` says that the tower's features already live in the text's space.
    let createNetwork
        (settings: Settings)
        aligned
        (towerWidth: int64)
        (skipChannels: int64 list)
        (texts: Texts)
        seed
        : Network =
        let m = settings.Method
        let classes, width = texts.classes.shape[0], texts.classes.shape[1]

        {
            projection =
                if aligned then
                    None
                else
                    Some(Init.linear towerWidth width (Seed.named "projection" seed))
            intervention = Intervention.create width m.Layers (Seed.named "intervention" seed)
            background =
                match m.Unselected with
                | Unselected.Dense -> None
                | Unselected.Background -> Some(SeedTensors.normal [ width ] (Seed.named "background" seed))
            head =
                Head.create
                    width
                    (int64 m.HeadWidth)
                    (skipChannels |> List.rev |> List.truncate m.Refinements)
                    (match m.ClassesBy with
                     | ClassesBy.Head -> classes
                     | ClassesBy.Texts -> 1L)
                    (Seed.named "head" seed)
            text_classes =
                match m.ClassesBy with
                | ClassesBy.Head -> None
                | ClassesBy.Texts -> Some(TextClasses.create ())
            log_prior = None
        }
