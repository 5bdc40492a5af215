module Mcdrl.Tests.TsneTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.Causal

let private points (shape: int64 list) seed =
    (SeedTensors.normal shape (Seed.create seed)).``to`` torch.float64

let private number (x: Tensor) = x.item<float>()

let private ok outcome =
    Result.defaultWith (McdrlError.describe >> failtest) outcome

/// Three tight groups of 20 points far from each other in 16 dimensions, and the group of each row.
let private clusters () =
    let centres = (points [ 3L; 16L ] 1UL).mul(scalar 10.0).repeat_interleave(20L, 0L)

    centres.add (points [ 60L; 16L ] 2UL, unity), Array.init 60 (fun row -> row / 20)

/// A rotation of d dimensions.
let private rotation (d: int64) =
    let struct (q, _) = torch.linalg.qr (points [ d; d ] 3UL)
    q

/// KL(P ‖ Q) as the definition says it, pair by pair.
let private naiveDivergence (p: float[,]) (y: float[,]) =
    let count = Array2D.length1 y

    let kernel i j =
        1.0 / (1.0 + pown (y[i, 0] - y[j, 0]) 2 + pown (y[i, 1] - y[j, 1]) 2)

    let pairs =
        [
            for i in 0 .. count - 1 do
                for j in 0 .. count - 1 do
                    if i <> j then
                        i, j
        ]

    let all = pairs |> List.sumBy (fun (i, j) -> kernel i j)
    pairs |> List.sumBy (fun (i, j) -> p[i, j] * log (p[i, j] / (kernel i j / all)))

let private table (x: Tensor) =
    let values = x.contiguous().data<float>().ToArray()
    Array2D.init (int x.shape[0]) (int x.shape[1]) (fun i j -> values[i * int x.shape[1] + j])

let private likenesses =
    testList
        "likenesses"
        [
            Law.example "every row has the perplexity asked for, and sums to 1" (fun () ->
                let x = points [ 50L; 8L ] 4UL

                for perplexity in [ 1.5; 5.0; 30.0; 48.0 ] do
                    let rows = table (Tsne.conditional perplexity x)

                    for i in 0..49 do
                        let row = rows[i, *]
                        Expect.equal row[i] 0.0 "not its own neighbour"
                        Expect.floatClose Accuracy.high (Array.sum row) 1.0 "sum"

                        let entropy = row |> Array.sumBy (fun p -> if p > 0.0 then -p * log p else 0.0)

                        Expect.floatClose Accuracy.medium (exp entropy) perplexity $"row {i}")

            Law.example "a row is a Gaussian of the squared distances" (fun () ->
                let x = points [ 12L; 3L ] 5UL
                let rows, x = table (Tsne.conditional 4.0 x), table x

                let squared i j =
                    Array.sumBy (fun k -> pown (x[i, k] - x[j, k]) 2) [| 0..2 |]

                for i in 0..11 do
                    let others = [ 0..11 ] |> List.filter ((<>) i)
                    let a, b = others[0], others[1]
                    let precision = (log rows[i, a] - log rows[i, b]) / (squared i b - squared i a)
                    Expect.isGreaterThan precision 0.0 "nearer is likelier"

                    for j in others do
                        Expect.floatClose
                            Accuracy.medium
                            (log rows[i, j] - log rows[i, a])
                            (precision * (squared i a - squared i j))
                            "one precision a row")

            Law.example "P is symmetric, sums to 1, and doesn't know how the features are turned" (fun () ->
                let x = points [ 40L; 6L ] 6UL
                let p = Tsne.joint 10.0 x
                Law.close 1e-15 "symmetric" p (p.t ())
                Law.close 1e-12 "sum" (scalar 1.0) (p.sum ())

                let turned = x.matmul(rotation 6L).add(points [ 1L; 6L ] 7UL, unity)

                let off = (Tsne.joint 10.0 turned).sub(p).abs().max() |> number
                Expect.isLessThan off 1e-12 "turned and moved")

            Law.example "identical points share their neighbours and give no NaN" (fun () ->
                let p = Tsne.joint 3.0 (torch.ones (10L, 4L, dtype = torch.float64))
                let expected = torch.ones_like(p).sub(torch.eye (10L, dtype = torch.float64))
                Law.close 1e-12 "uniform" (expected.div (scalar 90.0)) p)
        ]

let private descent =
    testList
        "descent"
        [
            Law.example "the divergence is the definition's" (fun () ->
                let p, y = Tsne.joint 5.0 (points [ 20L; 4L ] 8UL), points [ 20L; 2L ] 9UL

                Expect.floatClose
                    Accuracy.high
                    (number (Tsne.divergence p y))
                    (naiveDivergence (table p) (table y))
                    "KL")

            Law.example "the gradient is libtorch's of the divergence" (fun () ->
                for scale in [ 1e-4; 1.0; 30.0 ] do
                    let p = Tsne.joint 8.0 (points [ 30L; 5L ] 10UL)
                    let y = (points [ 30L; 2L ] 11UL).mul(scalar scale).requires_grad_ true
                    (Tsne.divergence p y).backward()
                    let expected = nonNull y.grad
                    let found = Tsne.gradient p (y.detach ())
                    let off = found.sub(expected).abs().max() |> number
                    Expect.isLessThan off 1e-8 $"at scale {scale}"
                    Expect.isGreaterThan (expected.abs().max() |> number) (100.0 * off) "it is not zero")

            // A last bit of the kernels sends the descent to another valley, and momentum takes it uphill for a while: which
            // of two numbers of steps ends lower is chance. Of 900 descents on three kinds of kernels, 1,000 steps ended between
            // 0.13 and 0.36 of the start.
            Law.example "the descent ends far below its start, and stays there" (fun () ->
                let x, _ = clusters ()
                let p = Tsne.joint 10.0 x

                for start in [ TsneStart.PrincipalComponents; TsneStart.Normal(Seed.create 1UL) ] do
                    let after steps =
                        let settings =
                            {
                                Perplexity = 10.0
                                Steps = steps
                                Start = start
                            }

                        ok (Tsne.embed settings x) |> Tsne.divergence p |> number

                    for steps in [ 1000; 2000 ] do
                        Expect.isLessThan (after steps) (0.5 * after 0) $"{steps} steps from {start}")

            Law.example
                "groups that are apart stay apart, from either start, and the map is centred"
                (fun () ->
                    let x, groups = clusters ()

                    for start in [ TsneStart.PrincipalComponents; TsneStart.Normal(Seed.create 1UL) ] do
                        let map =
                            ok (
                                Tsne.embed
                                    { Tsne.usual with
                                        Perplexity = 10.0
                                        Start = start
                                    }
                                    x
                            )

                        Expect.equal map.shape [| 60L; 2L |] "in the plane"
                        Expect.isLessThan (map.mean([| 0L |]).abs().max() |> number) 1e-9 "centred"

                        let away =
                            torch
                                .cdist(map, map)
                                .add(torch.eye(60L, dtype = torch.float64).mul(scalar 1e9), unity)

                        let nearest = away.argmin(1L).data<int64>().ToArray()

                        let astray =
                            [ 0..59 ] |> List.filter (fun row -> groups[int nearest[row]] <> groups[row])

                        // In one of 183 descents a point ended among others; placed at random, 40 would.
                        Expect.isLessThan astray.Length 4 $"neighbours by {start}")

            Law.example "the same features give the same map, another seed another" (fun () ->
                let x, _ = clusters ()

                let map start =
                    ok (
                        Tsne.embed
                            {
                                Perplexity = 10.0
                                Steps = 60
                                Start = start
                            }
                            x
                    )

                let seeded = Seed.create >> TsneStart.Normal >> map

                Law.same
                    "principal components"
                    (map TsneStart.PrincipalComponents)
                    (map TsneStart.PrincipalComponents)

                Law.same "seeded" (seeded 4UL) (seeded 4UL)
                Expect.isFalse ((seeded 4UL).equal(seeded 5UL).all().item<bool>()) "another")

            Law.example "the start is the plane of most variance" (fun () ->
                let x = points [ 30L; 5L ] 12UL

                let stretched = x.mul (torch.tensor [| 9.0; 1.0; 5.0; 0.5; 0.1 |])

                let start =
                    ok (
                        Tsne.embed
                            { Tsne.usual with
                                Perplexity = 5.0
                                Steps = 0
                            }
                            stretched
                    )

                let correlation axis column =
                    let a = start.select (1L, axis)
                    let b = stretched.select (1L, column)
                    let b = b.sub (b.mean ())
                    number (a.dot b) / sqrt (number (a.dot a) * number (b.dot b)) |> abs

                Expect.isGreaterThan (correlation 0L 0L) 0.98 "first"
                Expect.isGreaterThan (correlation 1L 2L) 0.98 "second"

                Expect.floatClose
                    Accuracy.high
                    (start.select(1L, 0L).square().mean().sqrt() |> number)
                    1e-4
                    "scale")
        ]

let private refusals =
    testList
        "refusals"
        [
            testCase "what can't be embedded is said"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let refused perplexity (x: Tensor) (part: string) =
                    match
                        Tsne.embed
                            { Tsne.usual with
                                Perplexity = perplexity
                            }
                            x
                    with
                    | Ok _ -> failtest "embedded"
                    | Error error -> Expect.stringContains (McdrlError.describe error) part "named"

                let x = points [ 20L; 4L ] 13UL
                refused 19.0 x "perplexity of 19"
                refused 1.0 x "perplexity of 1"
                refused nan x "perplexity of NaN"
                refused 5.0 (x.narrow (1L, 0L, 1L)) "[20, 1]"
                refused 5.0 x[0L] "[4]"
                refused 5.0 (x.log ()) "finite"
                refused 5.0 (torch.zeros (Tsne.most + 1L, 2L)) "at most 5000"

            testCase "no tensor is left but the map"
            <| fun () ->
                use x = points [ 20L; 4L ] 14UL
                let before = LiveTensors.count ()

                let map =
                    ok (
                        Tsne.embed
                            { Tsne.usual with
                                Perplexity = 5.0
                                Steps = 20
                            }
                            x
                    )

                Expect.equal (torch.Tensor.TotalCount - before) 1L "the map"
                map.Dispose()
        ]

let tests = testSequenced (testList "Tsne" [ likenesses; descent; refusals ])
