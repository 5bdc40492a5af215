namespace Mcdrl.Tests.Causal

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl

/// The sizes of an arbitrary problem, and the seed of its numbers. A failing law prints one.
type World =
    {
        Images: int
        Height: int
        Width: int
        /// d
        Features: int
        /// K
        Classes: int
        /// M
        Conditions: int
        Layers: int
        /// α
        Share: float
        /// Whether unselected cells hold a learned vector.
        Background: bool
        /// Whether the texts tell lesions and their classes.
        TextClasses: bool
        /// Skip maps that the head reads.
        Refinements: int
        Seed: uint64
    }

/// A world's numbers: a network with no weight at its initial value, an image half-way through it, and a prior.
[<NoComparison; NoEquality>]
type Problem =
    {
        Network: Network
        Texts: Texts
        /// The prior's weights, of any scale; some may be 0.
        Weights: float list
        Observation: Observation
    }

/// How FsCheck makes worlds.
type Worlds =
    static member World() : Arbitrary<World> =
        let world =
            gen {
                let! images = Gen.choose (1, 3)
                let! height, width = Gen.two (Gen.choose (1, 4))

                let! features =
                    Gen.frequency [ 9, Gen.elements [ 4; 5; 8; 12; 20 ]; 1, Gen.constant 128 ]

                let! classes = Gen.choose (1, 4)
                let! conditions = Gen.choose (2, 7)
                let! layers = Gen.choose (1, 3)
                let! share = Gen.choose (1, 100)
                let! background = Gen.elements [ false; true ]
                let! textClasses = Gen.elements [ false; true ]
                let! refinements = Gen.choose (0, 2)
                let! seed = Gen.choose (0, System.Int32.MaxValue)

                return
                    {
                        Images = images
                        Height = height
                        Width = width
                        Features = features
                        Classes = classes
                        Conditions = conditions
                        Layers = layers
                        Share = float share / 100.0
                        Background = background
                        TextClasses = textClasses
                        Refinements = refinements
                        Seed = uint64 seed
                    }
            }

        let smaller (world: World) =
            seq {
                if world.Images > 1 then
                    { world with Images = 1 }

                if world.Height > 1 then
                    { world with Height = 1 }

                if world.Width > 1 then
                    { world with Width = 1 }

                if world.Features > 4 then
                    { world with Features = 4 }

                if world.Classes > 1 then
                    { world with Classes = 1 }

                if world.Conditions > 2 then
                    { world with Conditions = 2 }

                if world.Layers > 1 then
                    { world with Layers = 1 }

                if world.Refinements > 0 then
                    { world with Refinements = 0 }
            }

        Arb.fromGenShrink (world, smaller)

/// The parts of a world, each from its own seed, and how laws about them are stated.
[<RequireQualifiedAccess>]
module World =
    let seed (name: string) (world: World) =
        Seed.named name (Seed.create world.Seed)

    let uniform name world = Seed.uniform (seed name world)

    /// Standard normal float64 numbers.
    let normal (name: string) (shape: int seq) (world: World) : Tensor =
        (SeedTensors.normal (shape |> Seq.map int64 |> List.ofSeq) (seed name world)).``to`` torch.float64

    /// Logits of M conditions for K + 1 classes, [M, B, K + 1, H, W], anything between tame and extreme.
    let logits (world: World) =
        let scale = 0.1 + 6.0 * uniform "scale" world

        (world
         |> normal "logits" [ world.Conditions; world.Images; world.Classes + 1; world.Height; world.Width ])
            .mul(scalar scale)

    /// Weights of a prior of any scale, spread over orders of magnitude.
    let positiveWeights (name: string) (world: World) =
        (normal name [ world.Conditions ] world).mul(scalar 1.5).exp().data<float>().ToArray()
        |> List.ofArray

    /// The same, where a weight may be 0, though not all.
    let weights (name: string) (world: World) =
        let positive = positiveWeights name world

        positive
        |> List.mapi (fun m weight ->
            if m > 0 && Seed.uniform (Seed.split m (seed name world)) < 0.15 then
                0.0
            else
                weight)

    let normalised (weights: float list) =
        weights |> List.map (fun weight -> weight / List.sum weights)

    let private perturbed name (world: World) (tree: 'T) : 'T =
        tree
        |> Tree.mapi (fun path leaf ->
            let noise = SeedTensors.normal (List.ofArray leaf.shape) (seed (name + path) world)
            leaf.add(noise.mul (scalar 0.2), unity).``to`` torch.float64)

    let network (world: World) : Network =
        let width = int64 world.Features
        let drawn name = Filling.Drawn(seed name world)

        {
            projection = None
            intervention = NetworkTemplate.intervention width world.Layers (drawn "intervention")
            background =
                if world.Background then
                    Some(SeedTensors.normal [ width ] (seed "background" world))
                else
                    None
            head =
                NetworkTemplate.head
                    width
                    4L
                    (List.replicate world.Refinements 3L)
                    (if world.TextClasses then 1L else int64 world.Classes)
                    (drawn "head")
            style =
                if world.Refinements > 0 then
                    Some(Init.linear (8L * int64 world.Refinements) width (drawn "style"))
                else
                    None
            text_classes =
                if world.TextClasses then
                    Some(TextClasses.create (drawn "text classes"))
                else
                    None
            log_prior = None
        }
        |> perturbed "network" world

    /// What a tower says about the world's images.
    let features (world: World) : TowerFeatures =
        {
            Dense = normal "dense" [ world.Images; world.Height; world.Width; world.Features ] world
            Image = normal "image" [ world.Images; world.Features ] world
            Skips =
                [
                    for level in world.Refinements .. -1 .. 1 ->
                        let finer size = size <<< level

                        normal
                            $"skip {level}"
                            [ world.Images; 3; finer world.Height; finer world.Width ]
                            world
                ]
        }

    let problem (world: World) : Problem =
        let width, classes, conditions = world.Features, world.Classes, world.Conditions
        let weights = weights "prior" world

        let texts: Texts =
            {
                classes = normal "classes" [ 1; classes; width ] world
                conditions = normal "conditions" [ conditions; width ] world
                class_conditions = normal "class conditions" [ classes; conditions; width ] world
                normal = normal "mucosa" [ width ] world
                log_prior = Backdoor.logPrior weights
            }

        let network = network world

        {
            Network = network
            Texts = texts
            Weights = weights
            Observation = Network.observe network texts world.Share (features world)
        }

    /// The same numbers as float32, the prior apart, which is float64 in the product.
    let single (problem: Problem) : Problem =
        let narrow tree =
            tree
            |> Tree.map (fun (leaf: Tensor) ->
                if leaf.is_floating_point () then
                    leaf.``to`` torch.float32
                else
                    leaf)

        { problem with
            Network = narrow problem.Network
            Texts =
                { narrow problem.Texts with
                    log_prior = problem.Texts.log_prior
                }
            Observation = narrow problem.Observation
        }

    /// The problem with the feed-forward parts of A silenced: what is left is A(F, z) = F + g(z) for one confounder.
    let withoutFeedForward (problem: Problem) : Problem =
        let silence (layer: CausalLayer) =
            { layer with
                c_proj = layer.c_proj |> Tree.map torch.zeros_like
            }

        { problem with
            Network =
                { problem.Network with
                    intervention =
                        {
                            layers = List.map silence problem.Network.intervention.layers
                        }
                }
        }

    let modes =
        [
            Marginalisation.Exact
            Marginalisation.FeatureMean
            Marginalisation.Nwgm
            Marginalisation.Attention
        ]

    /// A of the problem's network, `Backdoor`'s `intervene`.
    let intervene (problem: Problem) =
        Intervention.apply problem.Network.intervention

    /// A of the rows for every m, [M, B, N + 0 to 2, d].
    let underEach (problem: Problem) =
        Backdoor.underEach (intervene problem) problem.Texts.conditions problem.Observation.Rows

    /// P(Y | do(F)) of 6 × 6 pixels, by the product's whole path.
    let answer mode (problem: Problem) =
        Network.probabilities problem.Network problem.Texts mode 6L problem.Observation

    /// ∂value/∂x
    let gradient (x: Tensor) (value: Tensor) : Tensor =
        torch.autograd.grad([| value |], [| x |])[0]
