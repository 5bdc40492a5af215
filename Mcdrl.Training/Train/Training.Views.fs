namespace Mcdrl

open System
open TorchSharp

/// A frozen tower's features of a fixed number of views of every frame, computed once and kept in files.
[<NoComparison; NoEquality>]
type CachedFeatures =
    {
        /// Features and labels of every (frame, view).
        Views: Store
        /// Shapes of the features in a record, those of the dense map first.
        Shapes: int64 array list
        /// The features of the same view under a confounder drawn for it, where views are seen in pairs.
        Transformed: Store option
    }

/// Where batches come from: random views of prepared frames through the tower, or its features of a fixed number of views.
[<NoComparison; NoEquality>]
type Views =
    {
        /// Prepared frames.
        Frames: Frames
        /// The frames, by their index, that batches are drawn from.
        Members: int array
        /// How views are drawn, and what of the tower's features the network reads.
        Settings: Settings
        /// What views are drawn from.
        Seed: Seed
        /// Of each channel, subtracted before the tower.
        Mean: float32 array
        /// Of each channel, divided by before the tower.
        Std: float32 array
        /// Where views are drawn and the tower computes.
        Device: torch.Device
        /// Only when the tower is frozen and the views are fixed.
        Cache: CachedFeatures option
    }

/// A batch as it is before the tower, whose features the cache may already hold.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type internal Seen =
    /// float32 [B, 3, S, S] in [0, 1].
    | Frames of Tensor
    | Features of TowerFeatures

/// The views of a batch under a condition each.
[<NoComparison; NoEquality>]
type internal Conditioned =
    {
        Seen: Seen
        /// float32 [B]: 1 where the condition is an operation on pixels, else 0, and the view is as it was.
        Counts: Tensor
        /// int64 [B]: the condition of each view, as an index into the dictionary.
        Confounders: Tensor
    }

/// Random views of a batch's items.
[<NoComparison; NoEquality>]
type internal Drawn =
    {
        Seen: Seen
        /// uint8 [B, S, S], on the CPU.
        Labels: Tensor
        Conditioned: Conditioned option
    }

/// Draws batches of views, and takes them through the tower or from the cache.
[<RequireQualifiedAccess>]
module Views =
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

    /// Runs the tower on frames [B, 3, S, S] in [0, 1] and keeps what the network reads, in fp32.
    let throughTower (views: Views) precision (tower: Tower) (frames: Tensor) : TowerFeatures =
        scopedWith (fun features -> [ features.Dense; features.Image; yield! features.Skips ]) (fun () ->
            let features =
                Preprocessing.normalised views.Mean views.Std (frames.``to`` views.Device)
                |> Tower.forward views.Settings.Method.DenseMode (Tower.inPrecision precision tower)
                |> usedSkips views.Settings

            {
                Dense = widened features.Dense
                Image = widened features.Image
                Skips = List.map widened features.Skips
            })

    /// By the frame's name, not by its place among those of a run, so that runs on other sites can share its features.
    let private seedOf (views: Views) (index: int) (number: int) =
        let item = views.Frames.Items[index]

        views.Seed
        |> Seed.named "view"
        |> Seed.named item.Site
        |> Seed.named item.Stem
        |> Seed.split number

    /// Frame and labels of item `index`, where views are drawn.
    let private prepared (views: Views) (index: int) =
        let frame, labels = Frames.read views.Frames index
        frame.``to`` views.Device, labels.``to`` views.Device

    /// The frame and labels of item `index`, in view `number` perhaps with the colours of a frame of another site among those that
    /// batches are drawn from.
    let private coloured (views: Views) (index: int) (number: int) =
        let frame, labels = prepared views index
        let siteOf index = views.Frames.Items[index].Site

        let partner =
            match Augmentation.exchange views.Settings.Augmentation with
            | 0.0 -> None
            | probability ->
                views.Members
                |> Array.map (fun other -> other, siteOf other)
                |> ColourExchange.partner
                    probability
                    (Seed.named "exchange" (seedOf views index number))
                    (siteOf index)

        match partner with
        | None -> frame, labels
        | Some other -> ColourExchange.apply (fst (prepared views other)) frame, labels

    /// View `number` of item `index`: frame [3, S, S] and labels [S, S].
    let private view (views: Views) (index: int) (number: int) =
        use _scope = torch.NewDisposeScope()
        let frame, labels = coloured views index number

        let frame, labels =
            Augmentation.view views.Settings.Augmentation (seedOf views index number) frame labels

        frame.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope()

    /// As `view`, and the same view under `condition`, where that is an operation on pixels.
    let private pair (views: Views) (index: int) (number: int) condition =
        use _scope = torch.NewDisposeScope()
        let frame, labels = coloured views index number

        let seen, marked, transformed =
            Augmentation.pair views.Settings.Augmentation (seedOf views index number) condition frame labels

        seen.MoveToOuterDisposeScope(),
        marked.MoveToOuterDisposeScope(),
        (match transformed with
         | Some frame -> frame.MoveToOuterDisposeScope(), 1.0f
         | None -> seen.alias().MoveToOuterDisposeScope(), 0.0f)

    /// The number of the view that `epoch` uses of the member at a position, which is the same whatever else is in the store.
    let private numberIn (views: Views) (epoch: int) (position: int) =
        match views.Settings.Augmentation.Views with
        | 0 -> epoch
        | count -> (epoch + position) % count

    let private parts (features: TowerFeatures) =
        features.Dense :: features.Image :: features.Skips

    let private floats (shapes: int64 array list) =
        shapes |> List.sumBy (fun shape -> Array.fold (*) 1L shape)

    /// Records that are computed side by side.
    let private ahead = 16

    /// Makes or opens the store at `path` with one record for every (frame, view), in that order.
    let private recorded path key stage (views: Views) (progress: Progress) compute =
        let count = views.Settings.Augmentation.Views
        let total = count * views.Frames.Items.Length

        let inScope index =
            use _noGrad = torch.no_grad ()
            use _scope = torch.NewDisposeScope()
            compute (index / count) (index % count)

        let length = (inScope 0: byte[]).Length
        let mutable batch: byte[] array = [||]

        let record index =
            if progress.IsCancelled then
                Error McdrlError.Cancelled
            else
                if index % ahead = 0 then
                    batch <-
                        Array.Parallel.init (min ahead (total - index)) (fun offset ->
                            inScope (index + offset))

                    progress.Tell
                        {
                            Stage = stage
                            Done = index + batch.Length
                            Total = total
                            Note = ""
                        }

                Ok batch[index % ahead]

        Store.openOrCreate path key length total record

    let private bytesOf (tensor: Tensor) =
        tensor.cpu().contiguous().bytes.ToArray()

    /// Computes a frozen tower's features of all views of all frames, once, into the file `path`.
    let cached path key (tower: Tower) (views: Views) progress =
        let seen index number =
            let frame, labels = view views index number
            throughTower views Precision.Fp32 tower (frame.unsqueeze 0L), labels

        let shapes =
            use _noGrad = torch.no_grad ()
            use _scope = torch.NewDisposeScope()
            parts (fst (seen 0 0)) |> List.map (fun part -> part.shape[1..])

        let compute index number =
            let features, labels = seen index number
            Array.concat [ yield! parts features |> List.map bytesOf; bytesOf labels ]

        recorded path key "computing tower features" views progress compute
        |> Result.map (fun store ->
            { views with
                Cache =
                    Some
                        {
                            Views = store
                            Shapes = shapes
                            Transformed = None
                        }
            })

    /// Computes, once, into the file `path`, what a frozen tower sees in each cached view under a confounder that `draw`
    /// draws for it from a seed. Views without a cache are left as they are: theirs are drawn at every step.
    let cachedTransformed path key (tower: Tower) (draw: Seed -> int64) (views: Views) progress =
        match views.Cache with
        | None -> Ok views
        | Some cache ->
            let compute index number =
                let confounder = seedOf views index number |> Seed.named "confounder" |> draw
                let name = views.Settings.Method.Conditions[int confounder]
                let _, _, (frame, counts) = pair views index number name

                Array.concat
                    [
                        yield!
                            throughTower views Precision.Fp32 tower (frame.unsqueeze 0L)
                            |> parts
                            |> List.map bytesOf
                        BitConverter.GetBytes(counts: float32)
                        BitConverter.GetBytes(int confounder)
                    ]

            recorded path key "computing features under conditions" views progress compute
            |> Result.map (fun store ->
                { views with
                    Cache = Some { cache with Transformed = Some store }
                })

    let private recordOf (views: Views) (index: int, number: int) =
        index * views.Settings.Augmentation.Views + number

    /// Records of features, each with so many bytes after them, which `rest` is given in turn.
    let private featuresFrom
        (views: Views)
        shapes
        (store: Store)
        (restBytes: int)
        rest
        (members: (int * int) array)
        =
        let valueBytes = 4 * int (floats shapes)
        let record = Array.zeroCreate<byte>(valueBytes + restBytes)

        let values =
            torch.empty ([| int64 members.Length; floats shapes |], dtype = torch.float32)

        members
        |> Array.iteri (fun row place ->
            store.Read(recordOf views place, Span record)
            Span(record, 0, valueBytes).CopyTo(values.bytes.Slice(row * valueBytes))
            rest row (ReadOnlyMemory(record, valueBytes, restBytes)))

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
            }
        | _ -> invalidOp "a feature record holds a dense map and an image feature"

    let private fromCache (views: Views) (cache: CachedFeatures) (members: (int * int) array) =
        let side = int64 views.Frames.Side
        let pixels = int (side * side)

        let labels =
            torch.empty ([| int64 members.Length; side; side |], dtype = torch.uint8)

        let features =
            featuresFrom
                views
                cache.Shapes
                cache.Views
                pixels
                (fun row marks -> marks.Span.CopyTo(labels.bytes.Slice(row * pixels)))
                members

        features, labels

    /// The features of views under the confounders that were drawn for them.
    let private transformedFromCache (views: Views) shapes (store: Store) (members: (int * int) array) =
        let counts = Array.zeroCreate<float32> members.Length
        let confounders = Array.zeroCreate<int64> members.Length

        let features =
            featuresFrom
                views
                shapes
                store
                8
                (fun row drawn ->
                    counts[row] <- BitConverter.ToSingle drawn.Span
                    confounders[row] <- int64 (BitConverter.ToInt32(drawn.Span.Slice 4)))
                members

        {
            Seen = Seen.Features features
            Counts = torch.tensor counts
            Confounders = torch.tensor confounders
        }

    /// Every tensor of a batch, its owner's to dispose.
    let internal tensors (drawn: Drawn) : Tensor list =
        let seen (seen: Seen) =
            match seen with
            | Seen.Frames frames -> [ frames ]
            | Seen.Features features -> parts features

        [
            yield! seen drawn.Seen
            drawn.Labels
            match drawn.Conditioned with
            | Some conditioned ->
                yield! seen conditioned.Seen
                conditioned.Counts
                conditioned.Confounders
            | None -> ()
        ]

    /// The views in `epoch` of the members at these positions, and under the confounders given, int64 one a view, the same
    /// views again; cached views stay under the confounders that were drawn for them. Needs no tower. The caller owns
    /// the tensors.
    let internal draw (views: Views) (epoch: int) (positions: int array) (confounders: int64 array option) =
        let numbered =
            positions
            |> Array.map (fun position -> views.Members[position], numberIn views epoch position)

        scopedWith (tensors >> Seq.ofList) (fun () ->
            match views.Cache, confounders with
            | Some cache, _ ->
                let features, labels = fromCache views cache numbered

                {
                    Seen = Seen.Features features
                    Labels = labels
                    Conditioned =
                        match cache.Transformed, confounders with
                        | Some store, Some _ -> Some(transformedFromCache views cache.Shapes store numbered)
                        | _ -> None
                }
            | None, None ->
                let frames, labels =
                    numbered
                    |> Array.map (fun (index, number) -> view views index number)
                    |> Array.unzip

                {
                    Seen = Seen.Frames(torch.stack frames)
                    Labels = (torch.stack labels).cpu()
                    Conditioned = None
                }
            | None, Some confounders ->
                let frames, labels, others =
                    Array.map2
                        (fun (index, number) confounder ->
                            pair views index number views.Settings.Method.Conditions[int confounder])
                        numbered
                        confounders
                    |> Array.unzip3

                let others, weights = Array.unzip others

                {
                    Seen = Seen.Frames(torch.stack frames)
                    Labels = (torch.stack labels).cpu()
                    Conditioned =
                        Some
                            {
                                Seen = Seen.Frames(torch.stack others)
                                Counts = torch.tensor weights
                                Confounders = torch.tensor confounders
                            }
                })

    /// What the tower, computing in `precision`, sees in a batch: its features, and those of the conditioned views. The caller
    /// owns the tensors.
    let internal seenBy
        precision
        (tower: Tower)
        (views: Views)
        (drawn: Drawn)
        : TowerFeatures * Transformed option =
        let kept (features: TowerFeatures, transformed: Transformed option) : Tensor seq =
            [
                yield! parts features
                match transformed with
                | Some transformed ->
                    yield! parts transformed.Features
                    transformed.Weight
                | None -> ()
            ]

        let features (seen: Seen) =
            match seen with
            | Seen.Frames frames -> throughTower views precision tower frames
            | Seen.Features features ->
                {
                    Dense = features.Dense.alias ()
                    Image = features.Image.alias ()
                    Skips = [ for skip in features.Skips -> skip.alias () ]
                }

        scopedWith kept (fun () ->
            features drawn.Seen,
            drawn.Conditioned
            |> Option.map (fun conditioned ->
                {
                    Features = features conditioned.Seen
                    Weight = conditioned.Counts.``to``(views.Device).alias()
                }))
