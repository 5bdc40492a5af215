namespace Mcdrl

open System

/// What is timed.
[<RequireQualifiedAccess>]
type BenchPart =
    /// The image tower alone, to its dense map and image feature.
    | Tower
    /// From frames to probabilities in one mode.
    | Segmenter of Marginalisation

/// What computes it.
[<RequireQualifiedAccess>]
type BenchEngine =
    | Mcdrl
    | OnnxRuntime

/// Whose weights.
[<RequireQualifiedAccess>]
type BenchModel =
    /// A bundle's folder.
    | Folder of path: string
    /// Random ones on an architecture of `NamedTower`.
    | Random of architecture: string

/// What to time. `create` makes it.
type BenchRequest =
    private
        {
            Source: BenchModel
            Timed: BenchPart list
            Own: string list
            Sizes: int list
            Times: int
            Cores: int
            Processor: string
        }

    member this.Model = this.Source
    member this.Parts = this.Timed
    /// Of our engine. ONNX Runtime has fp32 alone.
    member this.Precisions = this.Own
    /// Images at once.
    member this.Batches = this.Sizes
    /// Measurements of each, interleaved.
    member this.Rounds = this.Times
    /// Of either engine.
    member this.Threads = this.Cores
    /// That our engine computes on. ONNX Runtime computes on the processor.
    member this.Device = this.Processor

[<RequireQualifiedAccess>]
module BenchRequest =
    /// Precisions that our engine runs in.
    let precisions =
        [ Precision.Fp32; Precision.Bf16 ] |> List.map PrecisionName.ofPrecision

    /// Those that are worth timing on this processor.
    let private usual () =
        if Processor.hasFastBf16 () then
            precisions
        else
            [ PrecisionName.ofPrecision Precision.Fp32 ]

    let parts = [ "tower"; "segmenter" ]

    let modes =
        [
            Marginalisation.Exact
            Marginalisation.FeatureMean
            Marginalisation.Nwgm
            Marginalisation.Attention
        ]

    let private fault what option =
        McdrlError.usage what option "See `mcdrl bench --help`"

    /// Each name must be one of those that are known.
    let private among option known (names: string list) =
        [
            for name in names do
                if not (List.contains name known) then
                    let listed = String.concat ", " known
                    fault $"there is no such {option}, only {listed}" $"--{option} {name}"
        ]

    let private within option low high (values: int list) =
        [
            for value in values do
                if value < low || value > high then
                    fault $"must lie between {low} and {high}" $"--{option} {value}"
        ]

    let private orAll all names =
        if List.isEmpty names then all else names

    /// Every empty list stands for all there is, for batches 1 and 8, and for the precisions that the processor is fast in. All that is wrong is reported at once.
    let create
        (model: BenchModel)
        (parts': string list)
        (modes': string list)
        (precisions': string list)
        (batches: int list)
        (rounds: int)
        (threads: int)
        (device: string)
        : Result<BenchRequest, McdrlError> =
        let known = modes |> List.map MarginalisationName.ofMode

        [
            among "part" parts parts'
            among "mode" known modes'
            among "precision" precisions precisions'
            within "batch" 1 256 batches
            within "rounds" 1 1000 [ rounds ]
            within "threads" 1 Environment.ProcessorCount [ threads ]
        ]
        |> List.concat
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultWith (fun () ->
            let asked = orAll known modes'

            Ok
                {
                    Source = model
                    Timed =
                        [
                            for part in orAll parts parts' |> List.distinct do
                                if part = "tower" then
                                    BenchPart.Tower
                                else
                                    for mode in modes do
                                        if List.contains (MarginalisationName.ofMode mode) asked then
                                            BenchPart.Segmenter mode
                        ]
                    Own = orAll (usual ()) precisions' |> List.distinct
                    Sizes = orAll [ 1; 8 ] batches |> List.distinct
                    Times = rounds
                    Cores = threads
                    Processor = device
                })
