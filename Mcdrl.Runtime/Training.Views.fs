namespace Mcdrl

open System
open System.Threading
open TorchSharp

/// Where batches come from: random views of prepared frames through the tower, or the tower's features of a fixed
/// number of views, computed once and kept in a file.
[<NoComparison; NoEquality>]
type Views =
    {
        Frames: Frames
        Settings: Settings
        Seed: Seed
        Mean: float32 array
        Std: float32 array
        Device: torch.Device
        /// Features and labels of every (item, view), when the tower is frozen and the views are fixed.
        Cache: (Store * int64 array list) option
    }

[<RequireQualifiedAccess>]
module Views =
    /// Levels in [0, 1] to what the tower expects. [B, 3, S, S]
    let normalised (mean: float32 array) (std: float32 array) (frames: Tensor) =
        scoped (fun () ->
            let channel (values: float32 array) =
                torch.tensor(values, device = frames.device).view(1L, 3L, 1L, 1L)

            frames.sub(channel mean).div(channel std))

    /// The maps that the head reads: the coarsest `refinements` of the tower's.
    let private usedSkips (settings: Settings) (features: TowerFeatures) =
        { features with
            Skips =
                features.Skips
                |> List.rev
                |> List.truncate settings.Method.Refinements
                |> List.rev
        }

    /// Runs the tower on frames [B, 3, S, S] in [0, 1] and keeps what the network reads.
    let throughTower (views: Views) (tower: Tower) (frames: Tensor) : TowerFeatures =
        scopedWith (fun features -> [ features.Dense; features.Image; yield! features.Skips ]) (fun () ->
            normalised views.Mean views.Std (frames.``to`` views.Device)
            |> Tower.forward views.Settings.Method.DenseMode tower
            |> usedSkips views.Settings)

    /// View `number` of item `index`: frame [3, S, S] and labels [S, S].
    let private draw (views: Views) (index: int) (number: int) =
        use _scope = torch.NewDisposeScope()
        let frame, labels = Frames.read views.Frames index
        let seed = views.Seed |> Seed.named "view" |> Seed.split index |> Seed.split number
        let frame, labels = Augmentation.view views.Settings.Augmentation seed frame labels
        frame.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope()

    /// As `draw`, and the same view under `condition`, where that is an operation on pixels.
    let private drawPair (views: Views) (index: int) (number: int) condition =
        use _scope = torch.NewDisposeScope()
        let frame, labels = Frames.read views.Frames index
        let seed = views.Seed |> Seed.named "view" |> Seed.split index |> Seed.split number

        let seen, marked, transformed =
            Augmentation.pair views.Settings.Augmentation seed condition frame labels

        seen.MoveToOuterDisposeScope(),
        marked.MoveToOuterDisposeScope(),
        (match transformed with
         | Some frame -> frame.MoveToOuterDisposeScope(), 1.0f
         | None -> seen.alias().MoveToOuterDisposeScope(), 0.0f)

    /// The number of the view of an item that `epoch` uses.
    let private numberIn (views: Views) (epoch: int) (index: int) =
        match views.Settings.Augmentation.Views with
        | 0 -> epoch
        | count -> (epoch + index) % count

    let private parts (features: TowerFeatures) =
        features.Dense :: features.Image :: features.Skips

    let private floats (shapes: int64 array list) =
        shapes |> List.sumBy (fun shape -> Array.fold (*) 1L shape)

    /// Computes the features of all views of a frozen tower, once, into the file `path`.
    let cached path key (tower: Tower) (views: Views) (report: Report) (cancel: CancellationToken) =
        let count = views.Settings.Augmentation.Views
        let total = count * views.Frames.Items.Length

        let compute index =
            use _noGrad = torch.no_grad ()
            use _scope = torch.NewDisposeScope()
            let frame, labels = draw views (index / count) (index % count)
            let features = throughTower views tower (frame.unsqueeze 0L)

            let values =
                parts features |> List.map (fun part -> part.cpu().contiguous().bytes.ToArray())

            parts features |> List.map (fun part -> part.shape[1..]),
            Array.concat (values @ [ labels.bytes.ToArray() ])

        let shapes, first = compute 0

        let record index =
            if cancel.IsCancellationRequested then
                Error McdrlError.Cancelled
            else
                report
                    {
                        Stage = "computing tower features"
                        Done = index + 1
                        Total = total
                        Note = ""
                    }

                Ok(if index = 0 then first else snd (compute index))

        Store.openOrCreate path key first.Length total record
        |> Result.map (fun store ->
            { views with
                Cache = Some(store, shapes)
            })

    let private fromCache (views: Views) (store: Store) shapes (members: (int * int) array) =
        let pixels = views.Frames.Side * views.Frames.Side
        let valueBytes = 4 * int (floats shapes)
        let record = Array.zeroCreate<byte>(valueBytes + pixels)
        let count = int64 members.Length
        let values = torch.empty ([| count; floats shapes |], dtype = torch.float32)
        let side = int64 views.Frames.Side
        let labels = torch.empty ([| count; side; side |], dtype = torch.uint8)

        members
        |> Array.iteri (fun row (index, number) ->
            store.Read(index * views.Settings.Augmentation.Views + number, Span record)
            Span(record, 0, valueBytes).CopyTo(values.bytes.Slice(row * valueBytes))
            Span(record, valueBytes, pixels).CopyTo(labels.bytes.Slice(row * pixels)))

        let taken, _ =
            shapes
            |> List.mapFold
                (fun (start: int64) (shape: int64 array) ->
                    let length = Array.fold (*) 1L shape
                    let part = values.narrow(1L, start, length).reshape(Array.append [| -1L |] shape)
                    part.contiguous().``to`` views.Device, start + length)
                0L

        match taken with
        | dense :: image :: skips ->
            {
                Dense = dense
                Image = image
                Skips = skips
            },
            labels
        | _ -> invalidOp "a feature record holds a dense map and an image feature"

    /// Features and labels (uint8 [B, S, S]) of the given items in `epoch`. The caller owns the tensors.
    let batch (views: Views) (tower: Tower) (epoch: int) (members: int array) : TowerFeatures * Tensor =
        let numbered = members |> Array.map (fun index -> index, numberIn views epoch index)
        let kept (features: TowerFeatures, labels: Tensor) : Tensor seq = labels :: parts features

        scopedWith kept (fun () ->
            match views.Cache with
            | Some(store, shapes) -> fromCache views store shapes numbered
            | None ->
                let frames, labels =
                    numbered
                    |> Array.map (fun (index, number) -> draw views index number)
                    |> Array.unzip

                throughTower views tower (torch.stack frames), torch.stack labels)

    /// As `batch`, and the features of the same views under the conditions given, one an item.
    let pairs (views: Views) (tower: Tower) (epoch: int) (members: int array) (conditions: string array) =
        let kept (features: TowerFeatures, labels: Tensor, transformed: Transformed) : Tensor seq =
            labels :: transformed.Dense :: transformed.Weight :: parts features

        scopedWith kept (fun () ->
            let frames, labels, transformed =
                Array.map2
                    (fun index condition -> drawPair views index (numberIn views epoch index) condition)
                    members
                    conditions
                |> Array.unzip3

            let others, weights = Array.unzip transformed

            let seen =
                use _noGrad = torch.no_grad ()
                throughTower views tower (torch.stack others)

            throughTower views tower (torch.stack frames),
            torch.stack labels,
            {
                Dense = seen.Dense
                Weight = torch.tensor (weights, device = views.Device)
            })
