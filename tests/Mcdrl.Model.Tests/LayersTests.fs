module Mcdrl.Tests.LayersTests

open Expecto
open Mcdrl
open TorchSharp

let private normal (seed: uint64) (shape: int64 list) =
    use generator = new torch.Generator(seed)
    torch.randn (List.toArray shape, generator = generator)

/// softmax(q kᵀ / √c + log π) v head by head, with a key and a value of 0 before the others, by the book.
let private byTheBook
    (heads: int64)
    (layer: Attention)
    (logPrior: Tensor)
    (queries: Tensor)
    (memory: Tensor)
    =
    let part index x =
        linear (projection index layer) x |> splitHeads heads

    let q, k, v = part 0L queries, part 1L memory, part 2L memory

    let resting (x: Tensor) =
        torch.cat ([| torch.zeros_like(x).narrow(2L, 0L, 1L); x |], 2L)

    let bias = torch.cat ([| torch.zeros 1L; logPrior |], 0L)

    let scores =
        q.matmul((resting k).transpose(-1L, -2L)).div(scalar (sqrt (float q.shape[3]))).add bias

    scores.softmax(-1L).matmul(resting v) |> mergeHeads |> linear layer.out_proj

let tests =
    testList
        "Layers"
        [
            test "attention to a few memories, or to none of them, is what the book says" {
                use _scope = torch.NewDisposeScope()

                let layer =
                    Init.attention 8L (Filling.Drawn(Seed.create 3UL))
                    |> Tree.mapi (fun path leaf ->
                        leaf.add (normal (uint64 path.Length) (List.ofArray leaf.shape), unity))

                let queries = normal 1UL [ 2L; 5L; 8L ]

                for heads in [ 1L; 2L; 4L ] do
                    for count in [ 1L; 3L ] do
                        for images in [ 1L; 2L ] do
                            let memory = normal 2UL [ images; count; 8L ]
                            let logPrior = normal 4UL [ count ]
                            let expected = byTheBook heads layer logPrior queries memory
                            let actual = attend heads logPrior layer queries memory
                            let apart = (actual.sub expected).abs().max().item<float32>()
                            Expect.isLessThan apart 1e-4f $"{heads} heads, {count} memories, {images} images"
            }

            test "maps of few channels and of many are resized, and pass gradients, as libtorch does it" {
                use _scope = torch.NewDisposeScope()

                let byLibtorch (size: int64 list) x =
                    torch.nn.functional.interpolate (
                        x,
                        size = List.toArray size,
                        mode = torch.InterpolationMode.Bilinear,
                        align_corners = false
                    )

                let channelsLast (x: Tensor) =
                    x.permute(0L, 2L, 3L, 1L).contiguous().permute(0L, 3L, 1L, 2L)

                for channels in [ 1L; 2L; 15L; 16L; 33L ] do
                    for size in [ [ 3L; 4L ]; [ 5L; 19L ]; [ 40L; 7L ]; [ 1L; 64L ] ] do
                        for order in [ id; channelsLast ] do
                            let map = normal 5UL [ 2L; channels; 5L; 7L ] |> order
                            let weights = normal 6UL (2L :: channels :: size)

                            let answer resize =
                                let x = map.detach().clone().requires_grad_ true
                                let y: Tensor = resize x
                                y.mul(weights).sum().backward()
                                y.detach (), x.grad

                            let expected, expectedGradient = answer (byLibtorch size)
                            let actual, actualGradient = answer (resized size)

                            for expected, actual in [ expected, actual; expectedGradient, actualGradient ] do
                                let apart = (actual.sub expected).abs().max().item<float32>()
                                Expect.isLessThan apart 1e-4f $"{channels} channels to %A{size}"
            }

            test "group norm learns from a channels-last map that needs no gradient" {
                use _scope = torch.NewDisposeScope()

                let layer =
                    Init.groupNorm 8L (Filling.Drawn(Seed.create 3UL))
                    |> Tree.map (fun leaf -> leaf.requires_grad_ true)

                let rows = normal 5UL [ 2L; 16L; 8L ]
                let last = rows.transpose(1L, 2L).unflatten(2L, [| 4L; 4L |])

                let gradient (map: Tensor) =
                    layer.weight.grad <- null
                    (groupNorm 4L layer map).pow(3.0.ToScalar()).sum().backward()
                    (nonNull layer.weight.grad).clone()

                let expected = gradient (last.contiguous ())
                let apart = ((gradient last).sub expected).abs().max().item<float32>()
                Expect.isLessThan apart 1e-3f "whatever the layout in memory"
            }
        ]
