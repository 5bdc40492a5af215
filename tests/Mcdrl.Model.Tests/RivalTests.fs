module Mcdrl.Tests.RivalTests

open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Tests
open Mcdrl.Tests.Causal
open Mcdrl.Tests.RivalPromptTests

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

let private all = [ Prompting.Cocoop; Prompting.Stylip; Prompting.Biomedcoop ]

/// A rival whose every layer says something, its learner's leaves asking for gradients.
let private rivalBy reader (d: int64) prompting : PromptRival =
    let ensemble =
        if prompting = Prompting.Biomedcoop then
            Some(normal [ 2L; 6L; d ] 4UL)
        else
            None

    PromptRival.create prompting (frameBy reader d) ensemble [ 24L; d ] (Filling.Drawn(Seed.create 6UL))
    |> Tree.mapi (fun path leaf ->
        if Rival.isTrained path then
            let noise =
                SeedTensors.normal (List.ofArray leaf.shape) (Seed.named path (Seed.create 7UL))

            leaf.add(noise.mul (scalar 0.1), unity).detach().requires_grad_ true
        else
            leaf)

/// That of a CLIP.
let rivalOf d prompting = rivalBy ClipReader d prompting

let private rival prompting = rivalOf 64L prompting

let private features () : TowerFeatures =
    {
        Dense = normal [ 3L; 2L; 2L; 64L ] 1UL
        Image = normal [ 3L; 64L ] 2UL
        Skips = [ normal [ 3L; 24L; 4L; 4L ] 3UL ]
    }

let private texts () : Texts =
    {
        classes = normal [ 1L; 2L; 64L ] 1UL
        conditions = normal [ 3L; 64L ] 2UL
        class_conditions = normal [ 2L; 3L; 64L ] 3UL
        normal = normal [ 64L ] 4UL
        log_prior = Backdoor.logPrior [ 1.0; 1.0; 1.0 ]
    }

/// A network for 64 joint dimensions and a tower of this width, 64 being that of one which shares them.
let private networkFor (width: int64) : Network =
    let settings =
        Config.ofPreset "paper" [ "method.refinements=0"; "method.layers=1"; "method.head_width=8" ]
        |> Result.defaultWith (McdrlError.describe >> failtest)

    NetworkTemplate.create
        settings.Method
        {
            IsAligned = (width = 64L)
            Width = width
            SkipChannels = []
        }
        (texts ())
        (Filling.Drawn(Seed.create 8UL))
    |> Tree.map (fun leaf -> leaf.detach().requires_grad_ true)

let private lossOf (rival: PromptRival) =
    let features = features ()

    PromptRival.loss
        rival
        (PromptRival.classTexts rival features)
        (torch.tensor [| 1L; -1L; 0L |])
        features.Image

let private isOf reader (prompting: Prompting) =
    let rival = rivalBy reader 64L

    testList
        $"{prompting}, {reader}"
        [
            inScope "its loss reaches every leaf of the learner and no other" (fun () ->
                let rival = rival prompting
                (lossOf rival).backward()

                for path, leaf in Tree.leaves rival do
                    let reached =
                        match leaf.grad with
                        | null -> false
                        | grad -> grad.abs().max().item<float32>() > 0.0f

                    Expect.equal reached (path.StartsWith "learner.") path)

            inScope "equal seeds give equal learners" (fun () ->
                for (path, a), b in List.zip (Tree.leaves (rival prompting)) (Tree.tensors (rival prompting)) do
                    Law.same path a b)

            inScope "nothing but the class texts and the loss is left behind" (fun () ->
                use _noGrad = torch.no_grad ()

                let rival, features, classes =
                    rival prompting, features (), torch.tensor [| 1L; -1L; 0L |]

                let work () =
                    let texts = PromptRival.classTexts rival features
                    PromptRival.loss rival texts classes features.Image |> ignore

                work ()
                let before = LiveTensors.count ()
                work ()
                Expect.equal torch.Tensor.TotalCount (before + 2L) "two tensors")

            inScope "what inference needs answers as the rival does" (fun () ->
                use _noGrad = torch.no_grad ()
                let rival, features = rival prompting, features ()
                let settled, rest = Rival.settled (Some(Rival.Prompts rival)) (texts ())

                Expect.equal
                    rest.IsNone
                    (prompting = Prompting.Biomedcoop)
                    "texts say it all for BiomedCoOp alone"

                match rest with
                | Some(Rival.Prompts rest) -> Expect.isNone rest.ensemble "no ensemble"
                | Some(Rival.Attention _)
                | None -> ()

                (snd (Rival.read rest (networkFor 64L) None features settled)).classes
                |> Law.same "texts" (PromptRival.classTexts rival features))

            inScope
                "for a tower that never saw text F_vis comes from the learned projection, which learns too"
                (fun () ->
                    let rival, network = rival prompting, networkFor 2048L

                    let features =
                        { features () with
                            Image = normal [ 3L; 2048L ] 2UL
                        }

                    let image = Network.aligned network features.Image

                    let seen, worded =
                        Rival.read (Some(Rival.Prompts rival)) network None features (texts ())

                    Expect.isTrue (obj.ReferenceEquals(seen, features)) "features stay the tower's own"

                    worded.classes
                    |> Law.same "texts" (PromptRival.classTexts rival { features with Image = image })

                    (PromptRival.loss rival worded.classes (torch.tensor [| 1L; -1L; 0L |]) image).backward()

                    for path, leaf in
                        Tree.leaves network.projection
                        @ List.filter (fst >> Rival.isTrained) (Tree.leaves rival) do
                        match leaf.grad with
                        | null -> failtest $"{path}: no gradient"
                        | grad -> Expect.isGreaterThan (grad.abs().max().item<float32>()) 0.0f path)
        ]

let private shared =
    testList
        "all"
        [
            inScope "without a rival features and texts stay as they are" (fun () ->
                let features, texts = features (), texts ()
                let seen, read = Rival.read None (networkFor 64L) None features texts
                Expect.isTrue (obj.ReferenceEquals(seen, features)) "features"
                Expect.isTrue (obj.ReferenceEquals(read, texts)) "texts")

            inScope "cross-entropy over s·cos of images that show a class, by their own texts" (fun () ->
                let rival = rival Prompting.Cocoop
                let features = features ()
                let texts = PromptRival.classTexts rival features
                let scale = TextTower.scale rival.frame.text

                let cost (image: int64) (label: int64) =
                    let cosines = (unit texts[image]).matmul(unit features.Image[image])
                    let log = cosines.mul(scalar scale).log_softmax 0L
                    -(log[label].item<float32>())

                let expected = (cost 0L 1L + cost 2L 0L) / 2.0f

                Expect.floatClose
                    Accuracy.low
                    (float ((lossOf rival).item<float32>()))
                    (float expected)
                    "mean")

            inScope "BiomedCoOp adds SCCM and KDSP at 0.75 each" (fun () ->
                let rival = rival Prompting.Biomedcoop
                let bare = { rival with ensemble = None }
                let features, ensemble = features (), Option.get rival.ensemble
                let texts = PromptRival.classTexts rival features
                let shared = texts.squeeze 0L
                let scale = TextTower.scale rival.frame.text
                let value (x: Tensor) = float (x.item<float32>())

                let expected =
                    value (lossOf bare)
                    + 0.75 * value (BiomedCoOp.consistency ensemble shared)
                    + 0.75 * value (BiomedCoOp.distillation scale ensemble features.Image shared)

                Expect.floatClose Accuracy.medium (value (lossOf rival)) expected "sum")
        ]

let tests =
    testSequenced (
        testList
            "Rival"
            ([
                for reader in readers do
                    yield! List.map (isOf reader) all
             ]
             @ [ shared ])
    )
