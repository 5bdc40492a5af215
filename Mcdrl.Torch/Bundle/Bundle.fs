namespace Mcdrl

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
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
    let private manifestName = "mcdrl.json"
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

    let writeStored storage (folder: string) (model: Model) : Result<unit, McdrlError> =
        use _scope = torch.NewDisposeScope()

        let path name = Path.Combine(folder, name)

        let file name =
            Files.sha256 (path name) |> Result.map (fun digest -> name, digest)

        Safetensors.write
            (path weightsName)
            Map.empty
            (prefixed "tower" model.Tower
             @ prefixed "network" model.Network
             @ prefixed "prompts" model.Rival
             |> List.map (fun (name, leaf) -> name, WeightStorage.stored storage leaf))
        |> Result.bind (fun () ->
            Safetensors.write (path textName) Map.empty (Tree.leaves (withoutImages model.Texts)))
        |> Result.bind (fun () -> Files.writeText (path cardName) (card model.Manifest []))
        |> Result.bind (fun () ->
            match file weightsName, file textName, file cardName with
            | Ok weights, Ok text, Ok card ->
                { model.Manifest with
                    Files = Map.ofList [ weights; text; card ]
                }
                |> RecordJson.render
                |> Files.writeText (path manifestName)
            | Error fault, _, _
            | _, Error fault, _
            | _, _, Error fault -> Error fault)

    let write folder model =
        writeStored WeightStorage.F32 folder model

    /// A fault of the manifest is a fault of the model file.
    let private asModelFault error =
        McdrlError.model (McdrlError.describe error) manifestName "Copy the model again, whole"

    /// What a manifest says of its layout, before anything else is asked of it.
    let private formatOf (text: string) : int option =
        try
            match JsonNode.Parse text with
            | :? JsonObject as manifest ->
                match manifest["format"] with
                | :? JsonValue as value ->
                    let mutable format = 0
                    if value.TryGetValue &format then Some format else None
                | _ -> None
            | _ -> None
        with :? JsonException ->
            None

    let private otherFormat folder format =
        Error(
            McdrlError.model
                $"the model's layout has version {format}, and this version of mcdrl reads {Manifest.format}"
                folder
                (if format < Manifest.format then
                     "Train it again: until 0.1 the attention to conditions was never trained, so answers can't be carried over"
                 else
                     "Use the version of mcdrl that wrote it, or a later one")
        )

    let private readManifest (folder: string) : Result<Manifest, McdrlError> =
        let path = Path.Combine(folder, manifestName)

        if File.Exists path then
            Files.read 1_000_000L path
            |> Result.map Text.Encoding.UTF8.GetString
            |> Result.mapError asModelFault
            |> Result.bind (fun text ->
                match formatOf text with
                | Some format when format <> Manifest.format -> otherFormat folder format
                | _ -> RecordJson.parse<Manifest> path text |> Result.mapError asModelFault)
        else
            Error(
                McdrlError.model
                    $"there is no {manifestName} here"
                    folder
                    "Name the folder of a model, for instance RUN/model of a training run"
            )

    let private incompatible folder what =
        Error(McdrlError.model what folder "Use a model written by a matching version of mcdrl")

    let private copyAgain folder what =
        McdrlError.model what folder "Copy the model again, whole"

    /// What can be told without reading the tensors: the layout, the preprocessing, and that no file lacks or goes without
    /// a digest.
    let private verify folder (manifest: Manifest) : Result<unit, McdrlError> =
        let damaged =
            [ weightsName; textName; cardName ]
            |> List.choose (fun name ->
                if not (manifest.Files.ContainsKey name) then
                    Some(copyAgain folder $"mcdrl.json has no sha256 for {name}")
                elif not (File.Exists(Path.Combine(folder, name))) then
                    Some(copyAgain folder $"{name} is missing")
                else
                    None)

        if manifest.Preprocessing.InputSize <> manifest.Settings.Method.InputSize then
            incompatible folder "the preprocessing's input size is not the settings'"
        elif
            manifest.Preprocessing.Mean.Length <> 3
            || manifest.Preprocessing.Std.Length <> 3
        then
            incompatible folder "mean and std do not have three channels"
        elif not (List.forall (fun value -> value > 0.0) manifest.Preprocessing.Std) then
            incompatible folder "a std is not positive"
        else
            McdrlError.ofList damaged |> Option.map Error |> Option.defaultValue (Ok())

    /// The tensors of a file, if it is the one that the manifest was written for. Whatever else is wrong with another file
    /// follows from that.
    let private readVerified options folder (manifest: Manifest) name =
        let path = Path.Combine(folder, name)
        let isOther digest = manifest.Files[name] <> digest
        let mismatch = Error(copyAgain folder $"sha256 mismatch of {name}")

        match Safetensors.readDigested options path with
        | Ok(content, digest) when isOther digest ->
            Seq.iter (fun (tensor: Tensor) -> tensor.Dispose()) content.Tensors.Values
            mismatch
        | Ok(content, _) -> Ok content
        | Error fault ->
            match Files.sha256 path with
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

    let private assemble folder (manifest: Manifest) : Result<Model, McdrlError> =
        result {
            let textPath, weightsPath =
                Path.Combine(folder, textName), Path.Combine(folder, weightsName)

            let! _ = Settings.validate manifest.Settings |> Result.mapError asModelFault

            let! text, weights =
                match
                    readVerified { Widen = false; RequireFinite = false } folder manifest textName,
                    readVerified { Widen = true; RequireFinite = true } folder manifest weightsName
                with
                | Ok text, Ok weights -> Ok(text, weights)
                | Error first, Error second -> Error(McdrlError.Several(first, [ second ]))
                | Error fault, Ok _
                | Ok _, Error fault -> Error fault

            let! texts =
                Tree.fill textPath (templateTexts manifest text.Tensors) text.Tensors
                |> Result.map forAllImages

            let! tower =
                WeightTensors.tower weightsPath manifest.TowerFacts (withPrefix "tower" weights.Tensors)

            let side = Tower.granularity tower

            do!
                if int64 manifest.Preprocessing.InputSize % side = 0L then
                    Ok()
                else
                    incompatible folder $"the input size is not a multiple of the tower's {side} pixels"

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

    let state (folder: string) : Result<string * Manifest, McdrlError> =
        result {
            let folder = locate folder
            let! manifest = readManifest folder
            do! verify folder manifest
            return folder, manifest
        }

    let manifest (folder: string) : Result<Manifest, McdrlError> = state folder |> Result.map snd

    let describe (folder: string) (metrics: ReportedMetric list) (sections: string list) =
        result {
            let! folder, manifest = state folder
            let path name = Path.Combine(folder, name)
            let manifest = { manifest with Metrics = metrics }
            do! Files.writeText (path cardName) (card manifest sections)
            let! digest = Files.sha256 (path cardName)

            return!
                { manifest with
                    Files = manifest.Files.Add(cardName, digest)
                }
                |> RecordJson.render
                |> Files.writeText (path manifestName)
        }

    let sha256 (folder: string) : Result<string, McdrlError> =
        state folder
        |> Result.bind (fun (folder, _) -> Files.sha256 (Path.Combine(folder, manifestName)))

    let complete (folder: string, manifest: Manifest) : Result<Model, McdrlError> = assemble folder manifest

    let load (folder: string) : Result<Model, McdrlError> = state folder |> Result.bind complete
