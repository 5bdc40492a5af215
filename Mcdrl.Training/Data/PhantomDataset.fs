namespace Mcdrl

open System
open System.IO

/// One rendered frame: everything needed to render its scene again, under this condition or any other.
type PhantomFrame =
    {
        /// Relative to the dataset's folder.
        Image: string
        /// Relative to the dataset's folder.
        Mask: string
        /// The name of one of `Phantom.sites`.
        Site: string
        /// The scene's seed, for `Seed.create`.
        SceneSeed: uint64
        /// Lesion class; absent for normal mucosa.
        Lesion: string option
        /// Centre of the lesion in the reference view, from the left, in sides.
        X: float option
        /// The same, from the top.
        Y: float option
        /// Mean radius of the lesion, in sides.
        Radius: float option
        /// Its words in the dictionary.
        Condition: string
        /// How strongly the condition was rendered, (0, 1].
        Strength: float
        /// The seed of what the condition leaves open, for `Seed.create`.
        ConditionSeed: uint64
        /// Where the condition put the camera.
        Geometry: PhantomGeometry
    }

/// What `scenes.json` holds.
type PhantomScenes =
    {
        /// Side of the frames in pixels.
        Side: int
        /// The seed that everything was drawn from.
        Seed: uint64
        /// Whether a lesion's class influenced its condition.
        Confounded: bool
        /// In the order in which they were rendered.
        Frames: PhantomFrame list
    }

/// What to render.
type PhantomRequest =
    {
        /// The folder to write.
        Out: string
        /// How many of `Phantom.sites`, from the first.
        Sites: int
        /// Frames of each site.
        Images: int
        /// Everything is drawn from it.
        Seed: uint64
        /// Of the square frames, in pixels.
        Side: int
        /// Whether a lesion's class influences its condition, as each site's bias says.
        Confounded: bool
        /// Replace what an earlier run left in the folder.
        Force: bool
    }

/// Phantom frames as a dataset folder, and back.
[<RequireQualifiedAccess>]
module PhantomDataset =
    let private scenesName = "scenes.json"

    /// A number below 2⁵³, so that every JSON reader keeps it whole.
    let private number (seed: Seed) =
        uint64 (Seed.uniform seed * 9007199254740992.0)

    /// The frame number `index` of a site.
    let private frame (request: PhantomRequest) (site: PhantomSite) index =
        let seed = Seed.create request.Seed |> Seed.named site.Name |> Seed.split index

        let sceneSeed, conditionSeed =
            number (Seed.named "scene" seed), number (Seed.named "condition" seed)

        let lesion = Phantom.lesion site (Seed.named "class" seed)
        let scene = Phantom.scene site lesion (Seed.create sceneSeed)

        let condition, strength =
            Phantom.condition site request.Confounded lesion (Seed.create conditionSeed)

        {
            Image = $"{site.Name}/images/{index + 1:D5}.png"
            Mask = $"{site.Name}/masks/{index + 1:D5}.png"
            Site = site.Name
            SceneSeed = sceneSeed
            Lesion = lesion |> Option.map (fun kind -> Phantom.classes[kind])
            X = scene.Lesion |> Option.map _.X
            Y = scene.Lesion |> Option.map _.Y
            Radius = scene.Lesion |> Option.map _.Radius
            Condition = condition
            Strength = strength
            ConditionSeed = conditionSeed
            Geometry = Phantom.geometry scene (Some(condition, strength))
        }

    /// The frame's scene, its condition, and the condition's seed: the arguments of `Phantom.render`.
    let scene (frame: PhantomFrame) : Result<Scene * (string * float) * Seed, McdrlError> =
        let unknown kind name known =
            let listed = String.concat ", " known
            Error(McdrlError.data $"the {kind} {name} is unknown" frame.Image $"Known are {listed}")

        let site = Phantom.sites |> List.tryFind (fun site -> site.Name = frame.Site)

        let kind =
            frame.Lesion
            |> Option.map (fun name -> List.tryFindIndex ((=) name) Phantom.classes)

        match site, kind with
        | None, _ -> unknown "site" frame.Site (Phantom.sites |> List.map _.Name)
        | _, Some None -> unknown "class" (Option.defaultValue "" frame.Lesion) Phantom.classes
        | _ when not (List.contains frame.Condition Phantom.conditions) ->
            unknown "condition" frame.Condition Phantom.conditions
        | _ when not (frame.Strength > 0.0 && frame.Strength <= 1.0) ->
            Error(
                McdrlError.data
                    $"the strength {frame.Strength} is not in (0, 1]"
                    frame.Image
                    $"Correct {scenesName}"
            )
        | Some site, kind ->
            Ok(
                Phantom.scene site (Option.flatten kind) (Seed.create frame.SceneSeed),
                (frame.Condition, frame.Strength),
                Seed.create frame.ConditionSeed
            )

    /// Bytes of a file of scenes.
    let private largestScenes = 64L * 1024L * 1024L

    /// The scenes of a dataset that `write` made; `folder` is the dataset's folder.
    let scenes (folder: string) : Result<PhantomScenes, McdrlError> =
        let path = Path.Combine(folder, scenesName)

        let asData problem =
            match problem with
            | McdrlError.Usage fault -> McdrlError.Data fault
            | other -> other

        RecordJson.ofFileWithin<PhantomScenes> largestScenes path
        |> Result.mapError (fun problems ->
            problems
            |> McdrlError.flatten
            |> List.map asData
            |> McdrlError.ofList
            |> Option.defaultValue problems)
        |> Result.bind (fun found ->
            let faults =
                found.Frames
                |> List.choose (fun frame ->
                    match scene frame with
                    | Ok _ -> None
                    | Error fault -> Some fault)

            let side =
                ModelLimits.sideFaults found.Side
                |> List.map (fun what -> McdrlError.data what $"{path}: side" "Render the dataset again")

            match McdrlError.ofList (side @ faults) with
            | None -> Ok found
            | Some fault -> Error fault)

    let private writePicture path picture =
        Files.writeManyAtomically path (fun stream -> stream.Write(ReadOnlySpan(Images.png picture)))

    let private render (request: PhantomRequest) (frame: PhantomFrame) =
        let at (name: string) = Path.Combine(request.Out, name)

        scene frame
        |> Result.bind (fun (scene, condition, seed) ->
            let picture, labels = Phantom.render request.Side scene (Some condition) seed

            writePicture (at frame.Image) picture
            |> Result.bind (fun () ->
                Files.writeManyAtomically (at frame.Mask) (fun stream ->
                    Png.write stream labels.Width labels.Height None labels.Labels)))

    /// Pictures of one side in rows, side by side.
    let private sheet side (rows: Picture list list) : Picture =
        let columns = rows |> List.map List.length |> List.fold max 1
        let width = columns * side
        let rgb = Array.zeroCreate<byte>(width * rows.Length * side * 3)

        for row, pictures in List.indexed rows do
            for column, picture in List.indexed pictures do
                for line in 0 .. side - 1 do
                    Array.blit
                        picture.Rgb
                        (line * side * 3)
                        rgb
                        (((row * side + line) * width + column * side) * 3)
                        (side * 3)

        {
            Width = width
            Height = rows.Length * side
            Rgb = rgb
            Orientation = Orientation.TopLeft
        }

    /// A row a site: every class and normal mucosa in the reference view; then one scene under the twelve conditions.
    let private contact (request: PhantomRequest) (sites: PhantomSite list) =
        let side = 224
        let seed = Seed.create request.Seed |> Seed.named "contact"

        let bySite =
            [
                for number, site in List.indexed sites ->
                    [
                        for kind in [ for k in 0 .. Phantom.classes.Length - 1 -> Some k ] @ [ None ] ->
                            let seed =
                                Seed.split
                                    (10 * number + Option.defaultValue Phantom.classes.Length kind)
                                    seed

                            fst (Phantom.render side (Phantom.scene site kind seed) None seed)
                    ]
            ]

        let byCondition =
            [
                for site in List.truncate 1 sites do
                    let scene = Phantom.scene site (Some 0) seed

                    for condition in Phantom.conditions ->
                        fst (Phantom.render side scene (Some(condition, 1.0)) seed)
            ]
            |> List.chunkBySize (Phantom.classes.Length + 1)

        sheet side (bySite @ byCondition)

    let private description (request: PhantomRequest) (sites: PhantomSite list) =
        let kind = if request.Confounded then "confounded" else "unconfounded"

        DatasetDescription.ofSites
            $"Phantom, {kind}, seed {request.Seed}"
            Phantom.classes
            [ for site in sites -> site.Name ]

    let private within name low high value =
        if value < low || value > high then
            Error(
                McdrlError.usage
                    $"--{name} {value} is not between {low} and {high}"
                    "phantom"
                    "Give a number in this range"
            )
        else
            Ok()

    /// Removes the frames that an earlier run listed, its description first: a folder half renewed is no dataset.
    let private clear (folder: string) =
        match scenes folder with
        | Error _ when File.Exists(Path.Combine(folder, "dataset.json")) ->
            Error(
                McdrlError.usage
                    "the folder holds a dataset that is no phantom's"
                    folder
                    "Give another folder"
            )
        | Error _ -> Ok()
        | Ok earlier ->
            Files.attempt folder (fun () ->
                File.Delete(Path.Combine(folder, "dataset.json"))
                let root = FileIdentity.realPath folder

                /// Where a file really lies that the folder itself holds, not another that a link in it leads to.
                let own name =
                    match root, FileIdentity.realPath (Path.Combine(folder, name)) with
                    | Some root, Some path when
                        path.StartsWith(root + string Path.DirectorySeparatorChar, StringComparison.Ordinal)
                        ->
                        Some path
                    | _ -> None

                for frame in earlier.Frames do
                    for path in [ frame.Image; frame.Mask ] |> List.choose own do
                        File.Delete path

                File.Delete(Path.Combine(folder, scenesName)))

    let private prepare (request: PhantomRequest) =
        let folder = request.Out

        Files.attempt folder (fun () ->
            File.Exists folder
            || (Directory.Exists folder
                && Seq.isEmpty (Directory.EnumerateFileSystemEntries folder) |> not))
        |> Result.bind (fun occupied ->
            if not occupied then
                Ok()
            elif File.Exists folder then
                Error(McdrlError.usage "this is a file, not a folder" folder "Give another folder")
            elif request.Force then
                clear folder
            else
                Error(
                    McdrlError.usage
                        "the folder is not empty"
                        folder
                        "Give another folder, or “force” to replace what is there"
                ))

    /// Frames that were written must still be there: another process may have removed their folder.
    let private stillThere (folder: string) (frames: PhantomFrame array) =
        let gone =
            frames
            |> Array.filter (fun frame ->
                [ frame.Image; frame.Mask ]
                |> List.exists (fun name -> not (File.Exists(Path.Combine(folder, name)))))

        if gone.Length = 0 then
            Ok()
        else
            Error(
                McdrlError.resource
                    $"{gone.Length} frames were written and are gone: their folder was removed meanwhile"
                    folder
                    "Render again, into a folder that stays"
            )

    /// Renders the request into its folder: frames and masks by site, `dataset.json` (written last: until then the
    /// folder is no dataset), `scenes.json` and the contact sheet `contact.png`. Equal requests give equal bytes.
    let write (request: PhantomRequest) (progress: Progress) =
        within "sites" 1 Phantom.sites.Length request.Sites
        |> Result.bind (fun () -> within "images" 1 99999 request.Images)
        |> Result.bind (fun () -> within "side" ModelLimits.smallestSide ModelLimits.largestSide request.Side)
        |> Result.bind (fun () -> prepare request)
        |> Result.bind (fun () -> Native.load ())
        |> Result.bind (fun _ ->
            let sites = List.truncate request.Sites Phantom.sites

            let frames =
                [|
                    for site in sites do
                        for index in 0 .. request.Images - 1 -> frame request site index
                |]

            let found =
                {
                    Side = request.Side
                    Seed = request.Seed
                    Confounded = request.Confounded
                    Frames = List.ofArray frames
                }

            let at (name: string) = Path.Combine(request.Out, name)

            TorchThreads.run "rendering" (render request) frames progress
            |> Result.bind (fun outcomes ->
                outcomes
                |> Array.tryPick (fun outcome ->
                    match outcome with
                    | Ok() -> None
                    | Error fault -> Some(Error fault))
                |> Option.defaultValue (Ok()))
            |> Result.bind (fun () -> stillThere request.Out frames)
            |> Result.bind (fun () -> writePicture (at "contact.png") (contact request sites))
            |> Result.map Files.settle
            |> Result.bind (fun () -> Files.writeText (at scenesName) (RecordJson.render found))
            |> Result.bind (fun () ->
                description request sites
                |> DatasetDescription.render
                |> Files.writeText (at "dataset.json"))
            |> Result.map (fun () -> found))
