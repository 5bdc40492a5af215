module Mcdrl.Tests.RivalPromptTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests.Causal

/// Both are random, of 20 tokens (18 starts, 19 ends), context 12 and d joint dimensions.
type Reader =
    | ClipReader
    | BertReader

let readers = [ ClipReader; BertReader ]

let private clip (d: int64) : ClipText =
    ClipText.template
        {
            Context = 12L
            Vocabulary = 20L
            Width = 16L
            Layers = 2
            Hidden = 32L
            Embed = d
        }
    |> FirstWeights.ofTemplate (Seed.create 1UL)
    |> Tree.mapi (fun path leaf ->
        // Embeddings as large as the features of other tokens, so that every word tells.
        if path.EndsWith "embedding.weight" then
            leaf.mul (scalar 20.0)
        else
            leaf)

let private bert (d: int64) : BertText =
    let drawn =
        BertText.template
            {
                Context = 12L
                Vocabulary = 20L
                Kinds = 2L
                Width = d
                Layers = 2
                Hidden = 32L
            }
        |> FirstWeights.ofTemplate (Seed.create 1UL)

    { drawn with heads = torch.tensor 2L }

let private textTower reader d =
    match reader with
    | ClipReader -> TextTower.Clip(clip d)
    | BertReader -> TextTower.Bert(bert d)

/// Two classes of one and of two words.
let tokens () =
    torch.tensor (array2D [ [ 18L; 3L; 19L; 0L ]; [ 18L; 4L; 5L; 19L ] ])

/// The frame of a tower of d joint dimensions; d / 16 is the width of the rivals' bottlenecks.
let frameBy reader d =
    PromptFrame.create (textTower reader d) [ [ 6L ]; [ 7L ]; [ 8L ]; [ 9L ] ] (tokens ())

/// That of a CLIP.
let frameOf d = frameBy ClipReader d

let frame () = frameOf 8L

let inScope name work =
    testCase name
    <| fun () ->
        use _scope = torch.NewDisposeScope()
        work ()

let private contexts (frame: PromptFrame) images seed =
    SeedTensors.normal [ images; 4L; PromptFrame.width frame ] (Seed.create seed)

let private readBy reader =
    let frame () = frameBy reader 8L

    testList
        $"{reader}"
        [
            inScope "a context of words gives what the tower says of the words" (fun () ->
                let frame = frame ()

                let whole =
                    torch.tensor (
                        array2D
                            [ [ 18L; 6L; 7L; 8L; 9L; 3L; 19L; 0L ]; [ 18L; 6L; 7L; 8L; 9L; 4L; 5L; 19L ] ]
                    )

                PromptFrame.features frame (frame.context.unsqueeze 0L)
                |> Law.close
                    1e-5
                    "features"
                    ((TextTower.forward frame.text (torch.tensor [| 6L; 7L |]) whole).unsqueeze 0L))

            inScope "a word of several tokens is their mean" (fun () ->
                let text = textTower reader 8L

                let frame =
                    PromptFrame.create text [ [ 6L ]; [ 7L; 2L ]; [ 8L ]; [ 9L ] ] (tokens ())

                let row (id: int64) =
                    (TextTower.embed text (torch.tensor [| id |]))[0L]

                Law.close 1e-6 "mean" ((row 7L).add(row 2L).div(scalar 2.0)) frame.context[1L]
                Law.same "a single one" (row 6L) frame.context[0L])

            inScope "padding after the end token has no influence" (fun () ->
                let frame = frame ()
                let padded = torch.cat ([| frame.tokens; torch.zeros_like frame.tokens |], 1L)

                let context = frame.context.unsqueeze 0L

                PromptFrame.features { frame with tokens = padded } context
                |> Law.close 1e-5 "features" (PromptFrame.features frame context))

            Property.check "each image's own context gives what it would give alone" (fun (seed: uint64) ->
                use _scope = torch.NewDisposeScope()
                let frame = frame ()
                let contexts = contexts frame 3L seed

                torch.cat
                    [|
                        for image in 0L .. 2L -> PromptFrame.features frame (contexts.narrow (0L, image, 1L))
                    |]
                |> fun expected -> Law.close 1e-5 "features" expected (PromptFrame.features frame contexts))

            inScope "gradients reach every token of the context" (fun () ->
                let frame = frame ()
                let context = (contexts frame 2L 3UL).requires_grad_ true
                let features = PromptFrame.features frame context
                features.mul(torch.arange(8L).add(scalar 1.0)).sum().backward()
                let norms = (nonNull context.grad).abs().amax([| 2L |]).data<float32>().ToArray()
                Expect.all norms (fun norm -> norm > 1e-4f) "a gradient for each")
        ]

let tests =
    testList
        "Rival.Prompt"
        [
            yield! List.map readBy readers

            inScope "the scale is that of the text tower" (fun () ->
                let text = clip 8L

                let warmer =
                    { text with
                        logit_scale = torch.tensor (log 20.0f)
                    }

                Expect.floatClose Accuracy.medium (TextTower.scale (TextTower.Clip warmer)) 20.0 "CLIP's own")
        ]
