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

/// A batch as it is before the tower, whose features the cache may already hold.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type Seen =
    /// float32 [B, 3, S, S] in [0, 1].
    | Frames of Tensor
    | Features of TowerFeatures

/// The views of a batch under a condition each.
[<NoComparison; NoEquality>]
type ConditionedFrames =
    {
        /// float32 [B, 3, S, S] in [0, 1].
        Pixels: Tensor
        /// float32 [B]: 1 where the condition is an operation on pixels, else 0, and the frame is as it was.
        Counts: Tensor
    }

/// Random views of a batch's items.
[<NoComparison; NoEquality>]
type Drawn =
    {
        Seen: Seen
        /// uint8 [B, S, S].
        Labels: Tensor
        Conditioned: ConditionedFrames option
    }

[<RequireQualifiedAccess>]
module Views =
    /// Levels in [0, 1] to what the tower expects. [B, 3, S, S]
    let normalised (mean: float32 array) (std: float32 array) (frames: Tensor) =
        scoped (fun () ->
            let channel (values: float32 array) =
                torch.tensor(values, device = frames.device).view(1L, 3L, 1L, 1L)

            frames.sub(channel mean).div(channel std))

    /// The maps that the head reads, the coarsest `refinements` of the tower's; all where StyLIP reads them too.
    let private usedSkips (settings: Settings) (features: TowerFeatures) =
        if settings.Method.Prompting = Some Prompting.Stylip then
            features
        else
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

    let private seedOf (views: Views) (index: int) (number: int) =
        views.Seed |> Seed.named "view" |> Seed.split index |> Seed.split number

    /// View `number` of item `index`: frame [3, S, S] and labels [S, S].
    let private view (views: Views) (index: int) (number: int) =
        use _scope = torch.NewDisposeScope()
        let frame, labels = Frames.read views.Frames index

        let frame, labels =
            Augmentation.view views.Settings.Augmentation (seedOf views index number) frame labels

        frame.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope()

    /// As `view`, and the same view under `condition`, where that is an operation on pixels.
    let private pair (views: Views) (index: int) (number: int) condition =
        use _scope = torch.NewDisposeScope()
        let frame, labels = Frames.read views.Frames index

        let seen, marked, transformed =
            Augmentation.pair views.Settings.Augmentation (seedOf views index number) condition frame labels

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
            let frame, labels = view views (index / count) (index % count)
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

    /// Every tensor of a batch, its owner's to dispose.
    let tensors (drawn: Drawn) : Tensor list =
        [
            match drawn.Seen with
            | Seen.Frames frames -> frames
            | Seen.Features features -> yield! parts features
            drawn.Labels
            match drawn.Conditioned with
            | Some conditioned ->
                conditioned.Pixels
                conditioned.Counts
            | None -> ()
        ]

    /// The views of the given items in `epoch`, and under the conditions given, one an item, the same views again. Needs no
    /// tower. The caller owns the tensors.
    let draw (views: Views) (epoch: int) (members: int array) (conditions: string array option) =
        let numbered = members |> Array.map (fun index -> index, numberIn views epoch index)

        scopedWith (tensors >> Seq.ofList) (fun () ->
            match views.Cache, conditions with
            | Some(store, shapes), _ ->
                let features, labels = fromCache views store shapes numbered

                {
                    Seen = Seen.Features features
                    Labels = labels
                    Conditioned = None
                }
            | None, None ->
                let frames, labels =
                    numbered
                    |> Array.map (fun (index, number) -> view views index number)
                    |> Array.unzip

                {
                    Seen = Seen.Frames(torch.stack frames)
                    Labels = torch.stack labels
                    Conditioned = None
                }
            | None, Some conditions ->
                let frames, labels, others =
                    Array.map2 (fun (index, number) -> pair views index number) numbered conditions
                    |> Array.unzip3

                let others, weights = Array.unzip others

                {
                    Seen = Seen.Frames(torch.stack frames)
                    Labels = torch.stack labels
                    Conditioned =
                        Some
                            {
                                Pixels = torch.stack others
                                Counts = torch.tensor weights
                            }
                })

    /// What the tower sees in a batch: its features, and without gradients those of the conditioned views. The caller owns
    /// the tensors.
    let seenBy (tower: Tower) (views: Views) (drawn: Drawn) : TowerFeatures * Transformed option =
        let kept (features: TowerFeatures, transformed: Transformed option) : Tensor seq =
            [
                yield! parts features
                match transformed with
                | Some transformed ->
                    transformed.Dense
                    transformed.Weight
                | None -> ()
            ]

        scopedWith kept (fun () ->
            let transformed =
                drawn.Conditioned
                |> Option.map (fun conditioned ->
                    use _noGrad = torch.no_grad ()

                    {
                        Dense = (throughTower views tower conditioned.Pixels).Dense
                        Weight = conditioned.Counts.``to``(views.Device).alias()
                    })

            match drawn.Seen with
            | Seen.Frames frames -> throughTower views tower frames, transformed
            | Seen.Features features ->
                {
                    Dense = features.Dense.alias ()
                    Image = features.Image.alias ()
                    Skips = [ for skip in features.Skips -> skip.alias () ]
                },
                transformed)
