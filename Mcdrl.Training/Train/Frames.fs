namespace Mcdrl

open System.Threading.Tasks
open TorchSharp

/// Frames and labels brought to the network's input size once, in a file that training reads at random.
[<NoComparison; NoEquality>]
type Frames =
    {
        /// What the records were made from, in their order.
        Items: DatasetItem array
        /// Side of the square frames in pixels.
        Side: int
        /// Frame and labels of each item, uint8: [3, S, S] and then [S, S].
        Store: Store
    }

/// Prepares frames and labels, and reads them.
[<RequireQualifiedAccess>]
module Frames =
    let private record side (dataset: Dataset) (item: DatasetItem) : Result<byte[], McdrlError> =
        Dataset.read dataset item
        |> Result.map (fun (picture, labels) ->
            use _scope = torch.NewDisposeScope()

            let frame = (Resize.picture side side picture).``to`` torch.uint8

            let marks =
                (Resize.nearest side side (RasterTensors.ofLabels labels)).``to`` torch.uint8

            Array.append (frame.contiguous().bytes.ToArray()) (marks.contiguous().bytes.ToArray()))

    /// Decodes and resizes every item, in parallel and in bounded memory, into a store at `path`; a store that is
    /// already there and made from the same `key` is used as it is.
    let prepare path key side dataset (items: DatasetItem array) (progress: Progress) =
        let ahead = 32
        let mutable batch: Result<byte[], McdrlError> array = [||]

        let next index =
            if index % ahead = 0 then
                let first = index
                batch <- Array.zeroCreate (min ahead (items.Length - first))

                Parallel.For(
                    0,
                    batch.Length,
                    (fun offset -> batch[offset] <- record side dataset items[first + offset])
                )
                |> ignore

                progress.Tell
                    {
                        Stage = "preparing frames"
                        Done = first + batch.Length
                        Total = items.Length
                        Note = ""
                    }

            if progress.IsCancelled then
                Error McdrlError.Cancelled
            else
                batch[index % ahead]

        Store.openOrCreate path key (4 * side * side) items.Length next
        |> Result.map (fun store ->
            {
                Items = items
                Side = side
                Store = store
            })

    /// Frame [3, S, S] float32 in [0, 1] and labels [S, S] uint8 of item `index`.
    let read (frames: Frames) index : Tensor * Tensor =
        let side = int64 frames.Side
        use _scope = torch.NewDisposeScope()
        let record = torch.empty ([| 4L; side; side |], dtype = torch.uint8)
        frames.Store.Read(index, record.bytes)
        let frame = Preprocessing.ofLevels (record.narrow (0L, 0L, 3L))
        let labels = record.select(0L, 3L).clone()
        frame.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope()
