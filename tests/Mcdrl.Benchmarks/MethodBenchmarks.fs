namespace Mcdrl.Benchmarks

open BenchmarkDotNet.Attributes
open Mcdrl
open TorchSharp

/// The steps of the method on the maps of one image: the sizes of ViT-L/14 at 224 px, 12 conditions, 5 classes.
[<MemoryDiagnoser>]
type MethodBenchmarks() =
    let width, grid, side, conditions, classes = 768L, 16L, 224L, 12L, 5L
    let regions, hidden, heads = 128L, 256L, 12L
    let seed = Seed.create 1UL

    let random name shape =
        SeedTensors.normal shape (Seed.named name seed)

    let map = random "map" [ 1L; grid; grid; width ]
    let classTexts = random "classes" [ 1L; classes; width ]
    let similarity = Regions.similarity map classTexts
    let style = random "style" [ 1L; width ]
    let selected = random "regions" [ 1L; regions; width ]
    let dictionary = random "dictionary" [ conditions; width ]
    let logPrior = Backdoor.logPrior (List.replicate (int conditions) 1.0)
    let layer = NetworkTemplate.intervention width 1 (Filling.Drawn seed)
    let attention = layer.layers.Head.attn
    let head = NetworkTemplate.head width hidden [] classes (Filling.Drawn seed)

    let underEach = random "logits" [ conditions; 1L; classes + 1L; side; side ]

    /// The size of what was computed; it is freed.
    let sizeOf (compute: unit -> Tensor) =
        use _inference = torch.inference_mode ()
        use found = compute ()
        found.numel ()

    [<Benchmark>]
    member _.Similarity() =
        sizeOf (fun () -> Regions.similarity map classTexts)

    [<Benchmark>]
    member _.RegionsSelect() =
        sizeOf (fun () -> Regions.select 0.5 similarity)

    [<Benchmark>]
    member _.Attend() =
        sizeOf (fun () -> attend heads logPrior attention selected (dictionary.unsqueeze 0L))

    [<Benchmark>]
    member _.CausalLayerByAttention() =
        sizeOf (fun () -> Intervention.apply layer logPrior (dictionary.unsqueeze 0L) selected)

    [<Benchmark>]
    member _.CausalLayerUnderEach() =
        sizeOf (fun () -> Backdoor.underEach (Intervention.apply layer) dictionary selected)

    [<Benchmark>]
    member _.HeadLogits() =
        sizeOf (fun () -> Head.logits head side [] style map)

    [<Benchmark>]
    member _.ExactExpectation() =
        sizeOf (fun () -> Backdoor.exact logPrior underEach)
