namespace Mcdrl

open System
open FsToolkit.ErrorHandling

/// How much of a model is timed.
[<RequireQualifiedAccess>]
type BenchScope =
    /// The image tower alone, to its dense map and image feature.
    | Tower
    /// From frames to probabilities.
    | Segmenter

/// What is timed.
[<RequireQualifiedAccess>]
type BenchPart =
    /// The image tower alone.
    | Tower
    /// In one mode.
    | Segmenter of Marginalisation

/// What computes it.
[<RequireQualifiedAccess>]
type BenchEngine =
    /// Ours, on libtorch.
    | Mcdrl
    /// ONNX Runtime, with the file that `export onnx` writes.
    | Onnxruntime

/// Whose weights.
[<RequireQualifiedAccess>]
type BenchModel =
    /// A bundle's folder.
    | Folder of path: string
    /// Random ones on an architecture of `NamedTower`.
    | Random of architecture: string

/// How ONNX Runtime computes, to be timed against.
type OnnxReference =
    {
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
        /// Options of its CUDA provider by the names that it gives them, besides those that Mcdrl sets.
        Options: (string * string) list
        /// Whether it replays a batch as one CUDA graph, with frames and answer at fixed places of the device's memory.
        Graph: bool
    }

/// What to time. `create` makes it.
type BenchRequest =
    private
        {
            Source: BenchModel
            Timed: BenchPart list
            Own: Precision list
            Sizes: int list
            Times: int
            Cores: int
            Processor: string
            Against: OnnxReference
        }

    /// Whose weights compute.
    member this.Model = this.Source
    /// What is timed, in the order asked for.
    member this.Parts = this.Timed
    /// Of our engine. ONNX Runtime has fp32 alone.
    member this.Precisions = this.Own
    /// Images at once.
    member this.Batches = this.Sizes
    /// Measurements of each, interleaved.
    member this.Rounds = this.Times
    /// Of either engine.
    member this.Threads = this.Cores
    /// That our engine computes on.
    member this.Device = this.Processor
    /// How ONNX Runtime computes.
    member this.Reference = this.Against

/// Makes requests, from values or from the names that the command takes.
[<RequireQualifiedAccess>]
module BenchRequest =
    /// Precisions that our engine runs in.
    let precisions = [ Precision.Fp32; Precision.Bf16 ]

    /// Those that are worth timing on this processor.
    let private usual () =
        if Processor.hasFastBf16 () then
            precisions
        else
            [ Precision.Fp32 ]

    let internal scopes = [ BenchScope.Tower; BenchScope.Segmenter ]

    /// Modes that a segmenter can be timed in.
    let modes = Marginalisation.inFeatures

    /// The values of these names, which must be among those that are known.
    let private named option (name: 'value -> string) (known: 'value list) (names: string list) =
        let find wanted =
            known |> List.tryFind (fun value -> name value = wanted)

        let faults =
            [
                for wanted in names do
                    if (find wanted).IsNone then
                        let listed = known |> List.map name |> String.concat ", "

                        McdrlError.usage
                            $"there is no such {option}, only {listed}"
                            $"“{option}” {wanted}"
                            "Choose one of them"
            ]

        List.choose find names, faults

    let private within option low high (values: int list) =
        [
            for value in values do
                if value < low || value > high then
                    McdrlError.usage
                        $"must lie between {low} and {high}"
                        $"“{option}” {value}"
                        "Correct the number"
        ]

    let private numbers batches rounds threads =
        [
            within "batch" 1 256 batches
            within "rounds" 1 1000 [ rounds ]
            within "threads" 1 Environment.ProcessorCount [ threads ]
        ]
        |> List.concat

    let private orAll all given =
        if List.isEmpty given then all else given

    let private unlessFaulty faults (value: unit -> 'T) =
        match McdrlError.ofList faults with
        | Some fault -> Error fault
        | None -> Ok(value ())

    /// ONNX Runtime as exported models are computed where no device is asked for.
    let private onProcessor =
        {
            Device = "cpu"
            Options = []
            Graph = false
        }

    let private providerOption (text: string) =
        match text.Split '=' with
        | [| name; value |] when name <> "" && value <> "" -> Ok(name, value)
        | _ ->
            Error(
                McdrlError.usage
                    "an option is a name and a value"
                    $"“provider_option” {text}"
                    "Write it as name=value, for instance cudnn_conv_algo_search=HEURISTIC"
            )

    /// ONNX Runtime on a device, with options of its CUDA provider as `name=value`, and perhaps as a graph. On the processor there
    /// are neither.
    let against
        (device: string)
        (options: string list)
        (graph: bool)
        (request: BenchRequest)
        : Result<BenchRequest, McdrlError> =
        result {
            let! named = options |> List.traverseResultM providerOption

            do!
                (device <> "cpu" || (named.IsEmpty && not graph))
                |> Result.requireTrue (
                    McdrlError.usage
                        "options and graphs are the CUDA provider's, and ONNX Runtime computes on the processor"
                        "“onnx_device” cpu"
                        "Choose cuda or cuda:N, or leave them out"
                )

            return
                { request with
                    Against =
                        {
                            Device = device
                            Options = named
                            Graph = graph
                        }
                }
        }

    /// Every empty list stands for all there is, for batches 1 and 8, and for the precisions that the processor is fast in.
    /// All that is wrong is reported at once.
    let create
        (model: BenchModel)
        (scopes': BenchScope list)
        (modes': Marginalisation list)
        (precisions': Precision list)
        (batches: int list)
        (rounds: int)
        (threads: int)
        (device: string)
        : Result<BenchRequest, McdrlError> =
        unlessFaulty (numbers batches rounds threads) (fun () ->
            let asked = orAll modes modes'

            {
                Source = model
                Timed =
                    [
                        for scope in orAll scopes scopes' |> List.distinct do
                            match scope with
                            | BenchScope.Tower -> BenchPart.Tower
                            | BenchScope.Segmenter ->
                                for mode in modes do
                                    if List.contains mode asked then
                                        BenchPart.Segmenter mode
                    ]
                Own = orAll (usual ()) precisions' |> List.distinct
                Sizes = orAll [ 1; 8 ] batches |> List.distinct
                Times = rounds
                Cores = threads
                Processor = device
                Against = onProcessor
            })

    /// `create` with scopes, modes and precisions by their names.
    let ofNames
        (model: BenchModel)
        (parts: string list)
        (modes': string list)
        (precisions': string list)
        (batches: int list)
        (rounds: int)
        (threads: int)
        (device: string)
        : Result<BenchRequest, McdrlError> =
        let scopes, noScopes = named "part" RecordJson.text scopes parts
        let modes, noModes = named "mode" Marginalisation.name modes modes'

        let precisions, noPrecisions =
            named "precision" PrecisionName.ofPrecision precisions precisions'

        let _, noTower =
            match model with
            | BenchModel.Random architecture -> named "random" id NamedTower.names [ architecture ]
            | BenchModel.Folder _ -> [], []

        unlessFaulty (noTower @ noScopes @ noModes @ noPrecisions @ numbers batches rounds threads) ignore
        |> Result.bind (fun () -> create model scopes modes precisions batches rounds threads device)
