namespace Mcdrl

open System
open System.IO
open System.Text.Json
open FsToolkit.ErrorHandling
open TorchSharp

[<NoComparison; NoEquality>]
type Model =
    {
        Manifest: Manifest
        Tower: Tower
        Network: Network
        Texts: Texts
        Rival: Rival option
    }

[<RequireQualifiedAccess>]
module Bundle =
    let private manifestName = BundleFiles.manifestName
    let private weightsName = "weights.safetensors"
    let private textName = "text.safetensors"
    let private cardName = "README.md"

    let ofRun folder = Path.Combine(folder, "model")

    let private prefixed prefix tree =
        Tree.leaves tree |> List.map (fun (path, leaf) -> $"{prefix}.{path}", leaf)

    let private card (manifest: Manifest) (sections: string list) =
        let p = manifest.Provenance
        let named = Markdown.text

        let listed names =
            names |> List.map named |> String.concat ", "

        let metrics =
            [
                for metric in manifest.Metrics ->
                    $"| {named metric.Name} | {metric.Value:F4} | {named metric.Protocol} |"
            ]

        String.concat
            "\n"
            [
                "# MCDRL lesion segmentation model"
                ""
                "**Not a medical device. Not for clinical use.**"
                ""
                $"Marks {listed manifest.Classes} in endoscopic frames. Tower {manifest.Tower}, input {manifest.Preprocessing.InputSize} px, written by {p.Product} on {p.Created}."
                ""
                "## Training"
                ""
                let leftOut =
                    p.LeftOut
                    |> Option.map (fun site -> $"; {named site} was never seen")
                    |> Option.defaultValue ""

                let chosen =
                    match p.HeldBack with
                    | Some 0 ->
                        "chosen by nothing: no site had a frame to hold back, so it is the last that could be kept"
                    | _ -> "chosen on held-back frames of the training sites"

                $"{p.TrainingFrames} frames of {named p.Data}, sites {listed p.TrainedOn}{leftOut}. Seed {p.Seed}, epoch {p.Epoch} kept, {chosen}."
                $"Training data sha256 {p.DataSha256}; tower weights sha256 {p.WeightsSha256}."

                for ancestor in Option.defaultValue [] p.FineTunedFrom do
                    ""

                    $"Fine-tuned from a model trained on {named ancestor.Data}, sites {listed ancestor.TrainedOn} (mcdrl.json sha256 {ancestor.Sha256})."

                ""
                "## Measured"
                ""
                "| metric | value | protocol |"
                "|---|---|---|"
                yield! metrics
                ""
                yield! sections
                "Settings, preprocessing and prompts are in `mcdrl.json`. The licences of the training data and of the tower's weights apply to this model too."
                ""
            ]

    /// The texts as a bundle has them: class texts without an axis of images, [K, d].
    let private withoutImages (texts: Texts) =
        { texts with
            classes = texts.classes.squeeze 0L
        }

    /// Texts of a bundle, whose class texts all images share.
    let private forAllImages (texts: Texts) =
        let classes = texts.classes.unsqueeze 0L
        texts.classes.Dispose()
        { texts with classes = classes }

    /// Writes `mcdrl.json` with the digest of itself.
    let private writeManifest (folder: string) (manifest: Manifest) =
        let unsigned =
            RecordJson.render
                { manifest with
                    Format = Manifest.format
                    Sha256 = Some SelfDigest.blank
                }

        let place = unsigned.LastIndexOf(SelfDigest.blank, StringComparison.Ordinal)

        let digest =
            SelfDigest.ofWritten (fun stream ->
                stream.Write(ReadOnlySpan(Text.Encoding.UTF8.GetBytes unsigned)))

        unsigned.Remove(place, SelfDigest.length).Insert(place, digest)
        |> Files.writeText (Path.Combine(folder, manifestName))

    /// Writes a bundle's files, the manifest last.
    let private writeFiles storage (model: Model) (folder: string) : Result<unit, McdrlError> =
        use _scope = torch.NewDisposeScope()
        let path name = Path.Combine(folder, name)

        let file name =
            Files.sha256 (path name) |> Result.map (fun digest -> name, digest)

        result {
            do!
                prefixed "tower" model.Tower
                @ prefixed "network" model.Network
                @ prefixed "prompts" model.Rival
                |> List.map (fun (name, leaf) -> name, WeightStorage.stored storage leaf)
                |> Safetensors.write (path weightsName) Map.empty

            do! Safetensors.write (path textName) Map.empty (Tree.leaves (withoutImages model.Texts))
            do! Files.writeText (path cardName) (card model.Manifest [])
            let! files = [ weightsName; textName; cardName ] |> List.traverseResultM file

            return!
                writeManifest
                    folder
                    { model.Manifest with
                        Files = Map.ofList files
                    }
        }

    let writeStored storage (folder: string) (model: Model) : Result<unit, McdrlError> =
        FolderSwap.replace folder manifestName (writeFiles storage model)

    let write folder model =
        writeStored WeightStorage.F32 folder model

    /// Faults of the manifest are faults of the model file; `place` is where each is.
    let private asModelFaults (place: string -> string) error =
        let one single =
            match single with
            | McdrlError.Usage fault
            | McdrlError.Data fault
            | McdrlError.Resource fault
            | McdrlError.Model fault ->
                McdrlError.model fault.What (place fault.Where) "Copy the model again, whole"
            | McdrlError.Cancelled
            | McdrlError.Several _ -> single

        McdrlError.flatten error
        |> List.map one
        |> McdrlError.ofList
        |> Option.defaultValue error

    let private asModelFault error = asModelFaults id error

    /// What a manifest says of its layout, before anything else is asked of it.
    let private formatOf (text: byte[]) : int option =
        StrangerJson.read
            { StrangerJson.standard with
                Repeats = true
            }
            (fun what -> McdrlError.model what manifestName "")
            (ReadOnlyMemory text)
            (fun root ->
                match root.ValueKind = JsonValueKind.Object, lazy (root.TryGetProperty "format") with
                | true, Lazy(true, format) when format.ValueKind = JsonValueKind.Number ->
                    match format.TryGetInt32() with
                    | true, format -> Ok(Some format)
                    | false, _ -> Ok None
                | _ -> Ok None)
        |> Result.toOption
        |> Option.flatten

    let private otherFormat folder format =
        let readable = Manifest.readable |> List.map string |> String.concat " and "

        Error(
            McdrlError.model
                $"the model's layout has version {format}, and this version of mcdrl reads {readable}"
                folder
                (if format < Manifest.readable.Head then
                     "Train it again: until 0.1 the attention to conditions was never trained, so answers can't be carried over"
                 else
                     "Use the version of mcdrl that wrote it, or a later one")
        )

    /// Larger than any manifest.
    let private largestManifest = 1_000_000L

    let private copyAgain folder what =
        McdrlError.model what folder "Copy the model again, whole"

    /// A manifest as its bytes have it, checked as far as that goes without the other files. `path` names it in errors.
    let internal parseManifest (path: string) (content: byte[]) : Result<Manifest, McdrlError> =
        match formatOf content with
        | Some format when not (List.contains format Manifest.readable) -> otherFormat path format
        | _ ->
            result {
                let! manifest =
                    RecordJson.parseBytes<Manifest> largestManifest path content
                    |> Result.mapError asModelFault

                do!
                    match manifest.Sha256 with
                    | Some digest when not (SelfDigest.isAt (SelfDigest.find digest content) content) ->
                        Error(copyAgain path "sha256 mismatch: it is not as it was written")
                    | Some _
                    | None -> Ok()

                let! _ =
                    Settings.validate manifest.Settings
                    |> Result.mapError (asModelFaults (fun key -> $"{path}: settings.{key}"))

                do!
                    Manifest.faults [ weightsName; textName; cardName ] manifest
                    |> List.map (fun (key, what) ->
                        McdrlError.model
                            what
                            $"{path}: {key}"
                            "Copy the model again, whole, or use one that a matching version of mcdrl wrote")
                    |> McdrlError.ofList
                    |> Option.map Error
                    |> Option.defaultValue (Ok())

                return manifest
            }

    let private readManifest (files: BundleFiles) : Result<Manifest, McdrlError> =
        if files.Has manifestName then
            files.Bytes largestManifest manifestName
            |> Result.mapError asModelFault
            |> Result.bind (parseManifest (files.Path manifestName))
        else
            Error(
                McdrlError.model
                    $"there is no {manifestName} here"
                    files.Place
                    "Name the folder of a model, for instance RUN/model of a training run"
            )

    let private incompatible folder what =
        Error(McdrlError.model what folder "Use a model written by a matching version of mcdrl")

    /// That no file is missing, as far as that goes without reading them.
    let private verify (files: BundleFiles) : Result<unit, McdrlError> =
        [ weightsName; textName; cardName ]
        |> List.filter (files.Has >> not)
        |> List.map (fun name -> copyAgain files.Place $"{name} is missing")
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok())

    /// The tensors of a file, if it is the one that the manifest was written for. Whatever else is wrong with another file
    /// follows from that.
    let private readVerified options (files: BundleFiles) (manifest: Manifest) name =
        let isOther digest = manifest.Files[name] <> digest
        let mismatch = Error(copyAgain files.Place $"sha256 mismatch of {name}")

        match files.Tensors options name with
        | Ok(content, digest) when isOther digest ->
            Seq.iter (fun (tensor: Tensor) -> tensor.Dispose()) content.Tensors.Values
            mismatch
        | Ok(content, _) -> Ok content
        | Error fault ->
            match files.Sha256 name with
            | Ok digest when isOther digest -> mismatch
            | _ -> Error fault

    /// A folder of a model, or a training run's folder that holds one.
    let locate (folder: string) =
        let inside = ofRun folder

        if not (File.Exists(Path.Combine(folder, manifestName))) && Directory.Exists inside then
            inside
        else
            folder

    let files (folder: string) : string list =
        [ manifestName; weightsName; textName; cardName ]
        |> List.map (fun name -> Path.Combine(locate folder, name))

    let private withPrefix (prefix: string) (tensors: Map<string, Tensor>) =
        tensors
        |> Map.toSeq
        |> Seq.filter (fun (name, _) -> name.StartsWith $"{prefix}.")
        |> Seq.map (fun (name, tensor) -> name[prefix.Length + 1 ..], tensor)
        |> Map.ofSeq

    let private templateTexts (manifest: Manifest) (tensors: Map<string, Tensor>) : Texts =
        let width =
            tensors.TryFind "normal"
            |> Option.map (fun leaf -> leaf.numel ())
            |> Option.defaultValue 1L

        let k, m =
            int64 manifest.Classes.Length, int64 manifest.Settings.Method.Conditions.Length

        {
            classes = Template.tensor [ k; width ]
            conditions = Template.tensor [ m; width ]
            class_conditions = Template.tensor [ k; m; width ]
            normal = Template.tensor [ width ]
            log_prior = torch.empty (m, dtype = torch.float64, device = torch.META)
        }

    /// The parts of a model that have weights.
    let private parts = [ "tower"; "network"; "prompts" ]

    /// A `Model` error that names the tensors which belong to no part.
    let private requireKnown path (tensors: Map<string, Tensor>) =
        let strays =
            [
                for name in tensors.Keys do
                    if
                        parts
                        |> List.forall (fun part ->
                            not (name.StartsWith($"{part}.", StringComparison.Ordinal)))
                    then
                        name
            ]

        if strays.IsEmpty then
            Ok()
        else
            let listed = strays |> List.truncate 100 |> String.concat "; "

            Error(
                McdrlError.model
                    $"unexpected tensors ({strays.Length}): {listed}"
                    path
                    "Copy the model again, whole"
            )

    /// How far the weights of the conditions may sum to something else than 1, for the rounding of float32.
    let private priorTolerance = 1e-5

    /// Texts that are numbers, with a prior that is a distribution: weights of 0 are allowed, their logarithm is −∞.
    let private checkTexts path (texts: Texts) : Result<Texts, McdrlError> =
        let prior = Prior.weights texts

        let fault name what =
            McdrlError.model
                what
                $"{path}, tensor \"{name}\""
                "Use a model from a training run that converged"

        [
            for name, leaf in Tree.leaves texts do
                if name <> "log_prior" && not (Safetensors.isFinite leaf) then
                    fault name "it holds a NaN or an infinity"

            if not (Array.forall Double.IsFinite prior) then
                fault "log_prior" "it holds a NaN or an infinite weight"
            elif abs (Array.sum prior - 1.0) > priorTolerance then
                fault "log_prior" $"the conditions' weights sum to {Array.sum prior}, not to 1"
        ]
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok texts)

    let private assemble (files: BundleFiles) (manifest: Manifest) : Result<Model, McdrlError> =
        result {
            let textPath, weightsPath = files.Path textName, files.Path weightsName

            let! text, weights =
                match
                    readVerified { Widen = false; RequireFinite = false } files manifest textName,
                    readVerified { Widen = true; RequireFinite = true } files manifest weightsName
                with
                | Ok text, Ok weights -> Ok(text, weights)
                | Error first, Error second -> Error(McdrlError.Several(first, [ second ]))
                | Error fault, Ok _
                | Ok _, Error fault -> Error fault

            do! requireKnown weightsPath weights.Tensors

            let! texts =
                Tree.fill textPath (templateTexts manifest text.Tensors) text.Tensors
                |> Result.bind (checkTexts textPath)
                |> Result.map forAllImages

            let! tower =
                WeightTensors.tower weightsPath manifest.TowerFacts (withPrefix "tower" weights.Tensors)

            do!
                if Tower.name tower = manifest.Tower then
                    Ok()
                else
                    incompatible
                        files.Place
                        $"mcdrl.json states the tower {manifest.Tower}, and the weights are those of {Tower.name tower}"

            let side = Tower.granularity tower

            do!
                if int64 manifest.Preprocessing.InputSize % side = 0L then
                    Ok()
                else
                    incompatible files.Place $"the input size is not a multiple of the tower's {side} pixels"

            let! network =
                NetworkTemplate.load
                    weightsPath
                    manifest.Settings.Method
                    (Tower.sizes tower)
                    texts
                    (withPrefix "network" weights.Tensors)

            let! rival =
                RivalTensors.load
                    weightsPath
                    manifest.TowerFacts
                    manifest.Settings.Method
                    tower
                    texts
                    manifest.Classes
                    (withPrefix "prompts" weights.Tensors)

            return
                {
                    Manifest = manifest
                    Tower = tower
                    Network = network
                    Texts = texts
                    Rival = rival
                }
        }

    /// How often reading begins again because another model has taken the place of the one that was being read.
    let private patience = 100

    /// What `read` makes of a model that is there as a whole: again for each that took another's place meanwhile.
    let private settled (files: BundleFiles) (read: BundleFiles -> Result<'a, McdrlError>) =
        let rec attempt left (files: BundleFiles) =
            match read files with
            | Error _ when left > 0 && files.IsReplaced() ->
                attempt (left - 1) (BundleFiles.inFolder files.Place)
            | found -> found

        attempt patience files

    let private stated (files: BundleFiles) : Result<BundleFiles * Manifest, McdrlError> =
        result {
            let! manifest = readManifest files
            do! verify files
            return files, manifest
        }

    let stateIn (files: BundleFiles) : Result<BundleFiles * Manifest, McdrlError> = settled files stated

    let state (folder: string) =
        stateIn (BundleFiles.inFolder (locate folder))

    let manifest (folder: string) : Result<Manifest, McdrlError> = state folder |> Result.map snd

    let describe (folder: string) (metrics: ReportedMetric list) (sections: string list) =
        result {
            let! files, manifest = state folder
            let folder = files.Place
            let path name = Path.Combine(folder, name)
            let manifest = { manifest with Metrics = metrics }
            do! Files.writeText (path cardName) (card manifest sections)
            let! digest = Files.sha256 (path cardName)

            return!
                writeManifest
                    folder
                    { manifest with
                        Files = manifest.Files.Add(cardName, digest)
                    }
        }

    let sha256 (folder: string) : Result<string, McdrlError> =
        state folder |> Result.bind (fun (files, _) -> files.Sha256 manifestName)

    let complete (files: BundleFiles, manifest: Manifest) : Result<Model, McdrlError> =
        match assemble files manifest with
        | Error _ when files.IsReplaced() ->
            settled
                (BundleFiles.inFolder files.Place)
                (stated >> Result.bind (fun found -> found ||> assemble))
        | found -> found

    let load (folder: string) : Result<Model, McdrlError> = state folder |> Result.bind complete
