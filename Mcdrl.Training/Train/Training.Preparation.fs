namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography
open System.Text
open FsToolkit.ErrorHandling
open TorchSharp

/// Frames brought to size and a frozen tower's features of them, made once and kept in files while they are needed.
[<RequireQualifiedAccess>]
module internal Preparation =
    /// A short name for what this release makes from `key`.
    let private named kind (key: string) =
        let digest = SHA256.HashData(Encoding.UTF8.GetBytes $"{Product.release} {key}")
        $"{kind}-{Convert.ToHexStringLower(digest)[..15]}.bin"

    let private confounder texts seed =
        use _scope = torch.NewDisposeScope()
        (Objective.drawConfounders texts seed 1).item<int64>()

    /// What draws views from a run's frames brought to size; with a frozen tower and a fixed number of views, from the
    /// tower's features of them. Where views are seen in pairs, confounders are drawn from the texts given. Shared with
    /// other runs, frames and features are those of the whole dataset.
    let views
        (request: TrainRequest)
        (identity: RunIdentity)
        (device: torch.Device)
        (dataset: Dataset)
        tower
        progress
        =
        let settings = request.Settings
        let side = settings.Method.InputSize

        let folder =
            request.Prepared |> Option.defaultValue (Run.preparedFolder request.Out)

        let all = dataset.Sites |> Seq.collect _.Items |> Array.ofSeq
        let path kind key = Path.Combine(folder, named kind key)

        /// One maker at a time; whoever comes second finds it made.
        let shared (file: string) make =
            match request.Prepared with
            | None -> make file
            | Some _ ->
                FileLock.wait (file + ".lock") progress.Cancel
                |> Result.bind (fun held ->
                    use _held = held
                    make file)

        let namesOf (items: DatasetItem list) =
            items |> Seq.map (fun item -> $"{item.Site}/{item.Stem}") |> String.concat "\n"

        /// The frames in a file, where they are not those of the whole dataset.
        let membersOf (items: DatasetItem list) =
            if request.Prepared.IsSome then "" else namesOf items

        let frames preparedSha256 items =
            let key = $"{preparedSha256} {side} {membersOf items}"

            shared (path "frames" key) (fun file ->
                Frames.prepare
                    file
                    key
                    side
                    dataset
                    (if request.Prepared.IsSome then all else Array.ofList items)
                    progress)

        let featureKey (preparedSha256: string) items (views: Views) =
            String.concat
                " "
                [
                    preparedSha256
                    string side
                    identity.WeightsSha256
                    string settings.Method.DenseMode
                    (if settings.Method.Prompting = Some Prompting.Stylip then
                         "all"
                     else
                         string settings.Method.Refinements)
                    (match settings.Method.InstanceNorm with
                     | Some parts -> $"instance norm {parts}"
                     | None -> "")
                    RecordJson.render views.Settings.Augmentation
                    if not (Augmentation.isNone views.Settings.Augmentation) then
                        string request.Seed
                    if request.Prepared.IsNone then
                        membersOf items
                    // Colours come from the frames of this run, in whatever file they lie.
                    elif Augmentation.exchange views.Settings.Augmentation > 0.0 then
                        namesOf items
                ]

        let withFeatures preparedSha256 items drawnFrom (views: Views) =
            result {
                let key = featureKey preparedSha256 items views

                let! views =
                    shared (path "features" key) (fun file -> Views.cached file key tower views progress)

                match drawnFrom with
                | None -> return views
                | Some texts ->
                    let dictionary =
                        [
                            yield! settings.Method.Conditions
                            yield! Prior.weights texts |> Seq.map string
                        ]

                    // Frames that nothing augments are the same for every seed; their confounders are drawn all the same.
                    let drawnBy =
                        if Augmentation.isNone views.Settings.Augmentation then
                            [ string request.Seed ]
                        else
                            []

                    let key = String.concat " " (key :: dictionary @ drawnBy)

                    return!
                        shared (path "transformed" key) (fun file ->
                            Views.cachedTransformed file key tower (confounder texts) views progress)
            }

        let ofItems preparedSha256 augmentation (drawnFrom: Texts option) (items: DatasetItem list) =
            result {
                let! frames = frames preparedSha256 items
                let mean, std = Tower.normalisation tower

                let place =
                    frames.Items
                    |> Seq.mapi (fun index item -> (item.Site, item.Stem), index)
                    |> Map.ofSeq

                let views: Views =
                    {
                        Frames = frames
                        Members = items |> Seq.map (fun item -> place[(item.Site, item.Stem)]) |> Array.ofSeq
                        Settings =
                            { settings with
                                Augmentation = augmentation
                            }
                        Seed = Seed.create request.Seed
                        Mean = mean |> List.map float32 |> List.toArray
                        Std = std |> List.map float32 |> List.toArray
                        Device = device
                        Cache = None
                    }

                if settings.Optimiser.TrainedBlocks = 0 && augmentation.Views > 0 then
                    return! withFeatures preparedSha256 items drawnFrom views
                else
                    return views
            }

        if request.Prepared.IsSome then
            DatasetDigest.whole dataset progress.Cancel |> Result.map ofItems
        else
            Ok(ofItems identity.DataSha256)
