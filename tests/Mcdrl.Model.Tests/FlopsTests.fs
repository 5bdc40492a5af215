module Mcdrl.Tests.FlopsTests

open Expecto
open TorchSharp
open Mcdrl

let private named name (use': Tower -> 'a) =
    use _scope = torch.NewDisposeScope()

    NamedTower.template name
    |> Option.map use'
    |> Option.defaultWith (fun () -> failtest $"no tower {name}")

/// In 10⁹.
let private giga (flops: int64) = float flops / 1e9

let private published =
    testList
        "published figures"
        [
            // open_clip's model profile.
            for name, gflop in [ "ViT-B-16", 35.13; "ViT-L-14", 162.03; "ViT-L-14-336", 381.9 ] do
                testCase name
                <| fun () ->
                    let counted =
                        named name (fun tower -> Flops.encodeImage tower (Tower.inputSize tower))

                    Expect.floatClose { absolute = 0.02; relative = 0.0 } (giga counted) gflop "GFLOP"

            testCase "RN50, where open_clip asks the pool with all 50 tokens and keeps the first answer"
            <| fun () ->
                let counted = named "RN50" (fun tower -> Flops.encodeImage tower 224L)
                let others = 2L * 49L * (2048L * 2048L + 2048L * 1024L) + 4L * 49L * 50L * 2048L
                Expect.floatClose { absolute = 0.005; relative = 0.0 } (giga (counted + others)) 12.22 "GFLOP"

            testCase "resnet18 and resnet34, torchvision's 1.81 and 3.66 thousand million multiply-adds"
            <| fun () ->
                for name, published in [ "resnet18", 1.814; "resnet34", 3.664 ] do
                    let counted = named name (fun tower -> Flops.encodeImage tower 224L)

                    Expect.floatClose
                        { absolute = 0.004; relative = 0.0 }
                        (giga counted + 0.001)
                        (2.0 * published)
                        name

            testCase "resnet50, 4.09 thousand million multiply-adds, the classifier's two million among them"
            <| fun () ->
                let counted = named "resnet50" (fun tower -> Flops.encodeImage tower 224L)

                Expect.floatClose
                    { absolute = 0.01; relative = 0.0 }
                    (giga counted + 0.0041)
                    (2.0 * 4.09)
                    "GFLOP"
        ]

let private towers =
    testList
        "dense maps"
        [
            testCase "plain: every cell projected besides the class token, and nothing else"
            <| fun () ->
                named "ViT-B-16" (fun tower ->
                    Expect.equal
                        (Flops.tower DenseMode.Plain tower 224L - Flops.encodeImage tower 224L)
                        (2L * 196L * 768L * 512L)
                        "196 cells")

            testCase "maskclip leaves out the last block's scores, sclip adds some"
            <| fun () ->
                for name in [ "ViT-L-14"; "RN50" ] do
                    named name (fun tower ->
                        let counted mode = Flops.tower mode tower 224L
                        Expect.isLessThan (counted DenseMode.Maskclip) (counted DenseMode.Plain) name
                        Expect.isGreaterThan (counted DenseMode.Sclip) (counted DenseMode.Plain) name)
        ]

let private width, regions, conditions = 768L, 128L, 12L

let private network () =
    NetworkTemplate.intervention width 3 Filling.Shapes

let private intervention =
    testList
        "intervention"
        [
            testCase
                "attention: three layers of a feed-forward part and 12 heads' products with all conditions"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let feedForward = 6_291_456L - 4L * width * width

                Expect.equal
                    (Flops.intervention (network ()) Marginalisation.Attention regions conditions)
                    (3L * regions * (2L * feedForward + 4L * 12L * conditions * width))
                    "counted by hand"

            testCase "one condition at a time: feed-forward part and products once for each"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for mode in [ Marginalisation.Exact; Marginalisation.FeatureMean; Marginalisation.Nwgm ] do
                    Expect.equal
                        (Flops.intervention (network ()) mode regions conditions)
                        (3L
                         * conditions
                         * regions
                         * (2L * 2L * width * (10L * width / 3L) + 4L * 12L * width))
                        $"{mode}"

            testCase "one drawn condition costs as much as one of all, no intervention nothing"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let counted mode =
                    Flops.intervention (network ()) mode regions conditions

                Expect.equal
                    (conditions * counted Marginalisation.Sampled)
                    (counted Marginalisation.FeatureMean)
                    "one of them"

                Expect.equal (counted Marginalisation.Never) 0L "none"
        ]

/// Of 3 channels into 8 hidden ones and 2 classes, reading the coarsest two of three earlier maps.
let private heads =
    testList
        "head"
        [
            testCase "copies share what the earlier maps alone decide"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let head = NetworkTemplate.head 3L 8L [ 5L; 6L ] 1L Filling.Shapes

                let counted copies =
                    Flops.head head copies 4L [ 32L; 16L; 8L ]

                let lateral = 2L * (64L * 5L * 8L + 256L * 6L * 8L)

                let styles = 2L * 3L * 16L

                let own =
                    2L
                    * (16L * 9L * 3L * 8L + (64L + 256L) * 9L * 8L * 8L + 256L * 8L * 2L + styles)

                Expect.equal (counted 1L) (lateral + own) "one"
                Expect.equal (counted 12L) (lateral + 12L * own) "twelve"

            testCase "without earlier maps both convolutions are as fine as the grid"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let head = NetworkTemplate.head 3L 8L [] 1L Filling.Shapes

                Expect.equal
                    (Flops.head head 1L 4L [ 32L; 16L; 8L ])
                    (2L * 16L * (9L * 3L * 8L + 8L * 2L))
                    "counted by hand"
        ]

let private rendered =
    testCase
        "rendered: the method without intervention for each condition done to pixels, and the further passes"
    <| fun () ->
        use _scope = torch.NewDisposeScope()

        named "resnet50" (fun tower ->
            let settings =
                { ObjectiveTests.settings.Method with
                    Conditions = [ "blur"; "a close-up view"; "mucus"; "blood" ]
                }

            let texts: Texts =
                {
                    classes = torch.zeros (1L, 1L, 8L)
                    conditions = torch.zeros (4L, 8L)
                    class_conditions = torch.zeros (1L, 4L, 8L)
                    normal = torch.zeros 8L
                    log_prior = Backdoor.logPrior [ 1.0; 1.0; 1.0; 1.0 ]
                }

            let network =
                NetworkTemplate.create settings (Tower.sizes tower) texts Filling.Shapes

            let counted mode =
                Flops.method settings mode tower network texts 64L

            let pass = Flops.tower settings.DenseMode tower 64L

            Expect.equal
                (counted Marginalisation.Rendered)
                (3L * counted Marginalisation.Never + 2L * pass)
                "three of the four")

let tests = testList "Flops" [ published; towers; intervention; heads; rendered ]
