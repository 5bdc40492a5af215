namespace Mcdrl

/// Endoscopic scenes whose causal truth is known: a pure, seeded renderer.
///
/// The structural model, for one frame:
///
///     site ──► class ──► lesion ──► image ◄── condition ◄── site
///                └─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▲
///
/// Site, lesion and condition make the image; nothing else does. The dashed arrow from class to condition is there
/// in confounded data only (`PhantomSites.usual`, with the site's `Bias`): lesions of a class are then usually seen
/// under that class's conditions, so a condition's look predicts the class without being a part of it. Without the
/// arrow, conditions are uniform and independent of everything else. Scene and condition have seeds of their own:
/// rendering one scene under every condition is do(condition = c) itself.
[<RequireQualifiedAccess>]
module Phantom =
    /// The lesion classes; a label map holds class k as k + 1.
    let classes = [ "polyp"; "tumor"; "inflammation"; "nodule"; "cyst" ]

    /// The dictionary's twelve conditions, its words in its order.
    let conditions = PhantomConditions.names

    /// Five hospitals.
    let sites = PhantomSites.all

    /// The conditions under which confounded data usually shows a class; empty for a number that is no class.
    let usual (lesion: int) : string list =
        PhantomSites.usual |> List.tryItem lesion |> Option.defaultValue []

    /// The item whose share of the weights holds a uniform number.
    let private weighted (items: ('item * float) list) (fallback: 'item) seed =
        let total = items |> List.sumBy snd
        let position = total * Seed.uniform seed

        items
        |> List.scan (fun (_, sum) (item, weight) -> Some item, sum + weight) (None, 0.0)
        |> List.tryFind (fun (item, sum) -> item.IsSome && sum > position)
        |> Option.bind fst
        |> Option.defaultValue fallback

    /// A lesion class drawn as the site has them; `None` is normal mucosa.
    let lesion (site: PhantomSite) (seed: Seed) : int option =
        if Seed.uniform (Seed.named "normal" seed) < site.Normal then
            None
        else
            Some(weighted (List.indexed site.Classes) 0 (Seed.named "class" seed))

    /// How large the class's lesions are, in sides.
    let private radii = [ 0.09, 0.24; 0.14, 0.29; 0.13, 0.28; 0.08, 0.16; 0.09, 0.22 ]

    let private placed (optics: PhantomOptics) seed kind =
        let low, high = radii |> List.tryItem kind |> Option.defaultValue (0.1, 0.25)
        let radius = seed |> Seed.named "radius" |> Seed.between low high
        // Within the field of view, with a margin for wavy outlines.
        let room = max 0.0 (optics.Reach - 0.02 - 1.25 * radius)
        let away = room * sqrt (Seed.uniform (Seed.named "away" seed))
        let angle = seed |> Seed.named "angle" |> Seed.between 0.0 6.283185307179586

        {
            Class = kind
            X = 0.5 + away * cos angle
            Y = 0.5 + away * sin angle
            Radius = radius
        }

    /// A scene of the site with a lesion of this class (0-based), or of normal mucosa for `None`.
    let scene (site: PhantomSite) (lesion: int option) (seed: Seed) : Scene =
        let drawn name low high =
            seed |> Seed.named name |> Seed.between low high

        let optics =
            { site.Optics with
                Warmth = site.Optics.Warmth + drawn "warmth" -0.05 0.05
                Gain = site.Optics.Gain * drawn "gain" 0.88 1.12
                LampReach = site.Optics.LampReach * drawn "lamp reach" 0.85 1.2
            }

        let lesion = lesion |> Option.map (placed optics (Seed.named "lesion" seed))

        let anatomy = weighted site.Anatomies Anatomy.Wall (Seed.named "anatomy" seed)

        // A lumen lies beside the lesion, not in it.
        let lumenX, lumenY =
            match lesion with
            | None -> drawn "lumen x" 0.25 0.75, drawn "lumen y" 0.25 0.75
            | Some lesion ->
                let angle = atan2 (0.5 - lesion.Y) (0.5 - lesion.X) + drawn "lumen angle" -0.7 0.7

                let away = lesion.Radius + drawn "lumen away" 0.12 0.3
                lesion.X + away * cos angle, lesion.Y + away * sin angle

        {
            Lesion = lesion
            Seed = seed
            Site = site
            Optics = optics
            Anatomy = anatomy
            LumenX = lumenX
            LumenY = lumenY
        }

    /// A condition and its strength in [0.45, 1]. Confounded: a usual one of the lesion's class with the site's
    /// `Bias`, else any other; not confounded, or without a lesion: uniform over the twelve.
    let condition (site: PhantomSite) (confounded: bool) (lesion: int option) (seed: Seed) : string * float =
        let strength = seed |> Seed.named "strength" |> Seed.between 0.45 1.0

        let choose (names: string list) =
            names[Seed.below names.Length (Seed.named "condition" seed)]

        let name =
            match lesion with
            | Some kind when confounded && not (usual kind).IsEmpty ->
                if Seed.uniform (Seed.named "usual" seed) < site.Bias then
                    choose (usual kind)
                else
                    choose (List.except (usual kind) conditions)
            | _ -> choose conditions

        name, strength

    /// Where a condition puts the camera for this scene.
    let geometry (scene: Scene) (condition: (string * float) option) : PhantomGeometry =
        PhantomConditions.geometry scene.Lesion condition

    /// Brings a mask of the scene under a condition back to the reference view.
    let undo (scene: Scene) (condition: (string * float) option) (map: LabelMap) : LabelMap =
        PhantomGeometry.undo (geometry scene condition) map

    /// The scene under a condition (name and strength), or the plain reference frame: a square picture and its mask
    /// (0 background, k + 1 class k). The seed places what the condition itself leaves open (films, shadows,
    /// noise). Equal arguments give equal bytes; another side shows the same picture.
    let render
        (side: int)
        (scene: Scene)
        (condition: (string * float) option)
        (seed: Seed)
        : Picture * LabelMap =
        let imaging = PhantomConditions.imaging condition seed
        let fields = PhantomFields.create side (geometry scene condition)
        let table = PhantomNoise.table (Seed.named "tissue" scene.Seed)
        PhantomAnatomy.fill scene table fields
        PhantomVessels.fill scene fields
        PhantomLesions.fill scene table fields
        let films = PhantomLight.films imaging seed fields
        let light = PhantomLight.fall scene imaging table films fields
        let picture = PhantomCamera.take scene imaging seed light fields.Labels side

        picture,
        {
            Width = side
            Height = side
            Labels = fields.Labels
        }
