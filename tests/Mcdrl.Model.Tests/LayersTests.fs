module Mcdrl.Tests.LayersTests

open Expecto
open Mcdrl
open TorchSharp

let private normal (seed: uint64) (shape: int64 list) =
    use generator = new torch.Generator(seed)
    torch.randn (List.toArray shape, generator = generator)

/// softmax(q kᵀ / √width + bias) v for one head, by the book.
let private byTheBook (layer: Attention) (bias: Tensor) (queries: Tensor) (memory: Tensor) =
    let width = queries.shape[2]
    let part index x = linear (projection index layer) x
    let scores = (part 0L queries).matmul((part 1L memory).transpose(-1L, -2L))
    let scores = scores.div((float width ** 0.5).ToScalar()).add bias
    linear layer.out_proj (scores.softmax(-1L).matmul(part 2L memory))

let tests =
    testList
        "Layers"
        [
            test "attention takes a bias of any rank that broadcasts" {
                use _scope = torch.NewDisposeScope()
                let layer = Init.attention 8L (Filling.Drawn(Seed.create 3UL))
                let queries, memory = normal 1UL [ 2L; 5L; 8L ], normal 2UL [ 2L; 3L; 8L ]

                for shape in [ [ 3L ]; [ 5L; 3L ]; [ 2L; 1L; 5L; 3L ] ] do
                    let bias = normal 4UL shape
                    let flat = if shape.Length = 4 then bias.squeeze 1L else bias
                    let expected = byTheBook layer flat queries memory

                    for requiresGrad in [ false; true ] do
                        let queries = queries.clone().requires_grad_ requiresGrad
                        let actual = attend 1L (Some bias) layer queries memory
                        let apart = (actual.sub expected).abs().max().item<float32>()
                        Expect.isLessThan apart 1e-5f $"bias {shapeText shape}, gradient {requiresGrad}"
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
