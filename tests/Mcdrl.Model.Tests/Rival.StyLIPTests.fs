module Mcdrl.Tests.RivalStyLIPTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal
open Mcdrl.Tests.RivalPromptTests

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

/// Two skip maps of 3 and 5 channels and a dense map of 8, of two images.
let private features seed : TowerFeatures =
    {
        Dense = normal [ 2L; 2L; 2L; 8L ] seed
        Image = normal [ 2L; 8L ] (seed + 1UL)
        Skips =
            [
                normal [ 2L; 3L; 4L; 4L ] (seed + 2UL)
                normal [ 2L; 5L; 2L; 2L ] (seed + 3UL)
            ]
    }

let private start frame =
    StyLIP.create frame [ 3L; 5L; 8L ] (Filling.Drawn(Seed.create 7UL))

/// A learner whose projectors say something.
let private learned frame =
    start frame
    |> Tree.mapi (fun path leaf ->
        if path.Contains "linear2" then
            SeedTensors.normal (List.ofArray leaf.shape) (Seed.named path (Seed.create 8UL))
        else
            leaf)

let private naive (values: float array) =
    let mean = Array.average values
    let variance = values |> Array.averageBy (fun x -> (x - mean) * (x - mean))
    mean, sqrt (variance + 1e-5)

let tests =
    testList
        "Rival.StyLIP"
        [
            Property.check "statistics are the mean and the deviation of each channel" (fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let map = normal [ 2L; 3L; 4L; 5L ] seed
                let found = StyLIP.statistics map
                Expect.equal (List.ofArray found.shape) [ 2L; 6L ] "two a channel"

                for image in 0L .. 1L do
                    for channel in 0L .. 2L do
                        let mean, deviation =
                            map[image, channel].flatten().data<float32>().ToArray()
                            |> Array.map float
                            |> naive

                        let near at expected =
                            Expect.floatClose
                                Accuracy.low
                                (float (found[image, at].item<float32>()))
                                expected
                                $"{at}"

                        near channel mean
                        near (channel + 3L) deviation)

            Property.check "where things are has no influence" (fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let frame, features = frame (), features seed

                let moved (map: Tensor) =
                    let order =
                        Seed.permutation (int map.shape[2] * int map.shape[3]) (Seed.create seed)

                    let order = torch.tensor (Array.map int64 order)
                    map.flatten(2L).index_select(2L, order).unflatten(2L, map.shape[2..])

                let permuted =
                    { features with
                        Dense = (moved (features.Dense.permute (0L, 3L, 1L, 2L))).permute(0L, 2L, 3L, 1L)
                        Skips = List.map moved features.Skips
                    }

                StyLIP.classTexts frame (learned frame) permuted
                |> Law.close 1e-4 "texts" (StyLIP.classTexts frame (learned frame) features))

            inScope "it starts from the plain prompt" (fun () ->
                let frame = frame ()
                let plain = unit (PromptFrame.features frame (frame.context.unsqueeze 0L))

                StyLIP.classTexts frame (start frame) (features 1UL)
                |> Law.close 1e-5 "texts" (plain.expand (2L, -1L, -1L)))

            inScope "a layer's style makes the token of its number, its image's alone" (fun () ->
                let frame, features = frame (), features 1UL
                let learner = learned frame
                let before = StyLIP.context frame learner features

                let after =
                    StyLIP.context
                        frame
                        learner
                        { features with
                            Skips =
                                [
                                    features.Skips[0]
                                    torch.cat (
                                        [|
                                            (features.Skips[1]).narrow(0L, 0L, 1L)
                                            normal [ 1L; 5L; 2L; 2L ] 9UL
                                        |],
                                        0L
                                    )
                                ]
                        }

                let changed = before.sub(after).abs().amax([| 2L |]).gt(scalar 1e-3)

                Expect.equal
                    (changed.data<bool>().ToArray())
                    [| false; false; false; false; false; true; false; false |]
                    "the second token of the second image"

                Law.same "no layer, no style" (frame.context[3L].expand(2L, -1L)) (before.select (1L, 3L)))

            inScope "more layers than tokens go round" (fun () ->
                let frame, features = frame (), features 1UL
                let map = features.Skips[0]

                let five =
                    { features with
                        Skips = [ map; map; map; map ]
                    }

                let learner =
                    StyLIP.create frame [ 3L; 3L; 3L; 3L; 8L ] (Filling.Drawn(Seed.create 7UL))

                let last =
                    { learner with
                        styles =
                            learner.styles
                            |> List.mapi (fun layer projector ->
                                if layer = 4 then
                                    { projector with
                                        linear2 =
                                            { projector.linear2 with
                                                bias = Some(Init.ones [ 16L ])
                                            }
                                    }
                                else
                                    projector)
                    }

                let shift = (StyLIP.context frame last five).sub(frame.context)
                Law.close 1e-6 "the first token" (torch.ones (2L, 16L)) (shift.select (1L, 0L))
                Law.same "no other" (torch.zeros (2L, 3L, 16L)) (shift.narrow (1L, 1L, 3L)))

            inScope "the content is the same for every class" (fun () ->
                let frame, features = frame (), features 1UL
                let learner = learned frame
                let content = StyLIP.content learner features

                let plain =
                    unit (PromptFrame.features frame (StyLIP.context frame learner features))

                let added = (StyLIP.classTexts frame learner features).sub plain
                Expect.isGreaterThan (content.abs().max().item<float32>()) 1e-2f "something"
                Law.close 1e-4 "added" (content.unsqueeze(1L).expand(-1L, 2L, -1L)) added)
        ]
