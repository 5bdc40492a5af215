namespace Mcdrl

open TorchSharp
open FsToolkit.ErrorHandling

/// The share of lesion cells among the cells kept, mean over frames with a lesion, for one α.
type HitRate =
    {
        /// The share of cells kept.
        Alpha: float
        /// By the prompts of all classes: Eq. 6.
        AllClasses: float
        /// By the prompt of the frame's own class.
        OwnClass: float
        /// By the prompt of another class: prompts shuffled among the classes.
        OtherClass: float
        /// By the prompts of the conditions, which name no lesion.
        Conditions: float
        /// By random cells.
        Random: float
    }

/// How well a CLIP reads frames that it never saw.
type ZeroShotReport =
    {
        /// Frames that were shown.
        Frames: int
        /// Frames with a lesion, on which class and hit rates are measured.
        LesionFrames: int
        /// The nearest class prompt is the right one; chance is 1/K.
        ClassAccuracy: float
        /// Right class by class, in the classes' order.
        PerClass: float list
        /// Frames under a condition.
        ConditionFrames: int
        /// The nearest condition prompt is the right one; chance is 1/M.
        ConditionAccuracy: float
        /// Right condition by condition, in the conditions' order.
        PerCondition: float list
        /// For some α, in rising order.
        HitRates: HitRate list
    }

/// Measures a CLIP on frames of a world, without any training for the task.
[<RequireQualifiedAccess>]
module internal ZeroShotMeasuring =
    let private chunk = 32

    let private alphas = [ for tenth in 1..10 -> float tenth / 10.0 ]

    /// Features of one chunk of frames, and where their lesions lie.
    [<NoComparison; NoEquality>]
    type private Seen =
        {
            /// [n, d]
            Image: Tensor
            /// [n, H, W, d]
            Dense: Tensor
            /// int64 [n, H, W]
            Cells: Tensor
        }

    let private see (classes: int) (tower: Tower) (frames: PretrainingFrame array) : Seen =
        scopedWith (fun seen -> [ seen.Image; seen.Dense; seen.Cells ]) (fun () ->
            let features =
                PretrainingBatches.images tower torch.CPU frames
                |> Tower.forward DenseMode.Maskclip tower

            let grid = features.Dense.shape

            {
                Image = features.Image
                Dense = features.Dense
                Cells =
                    PretrainingBatches.labels torch.CPU frames
                    |> Objective.labelsPerCell classes grid[1] grid[2]
            })

    let private together (parts: Seen list) : Seen =
        let joined (field: Seen -> Tensor) =
            torch.cat (parts |> List.map field |> Array.ofList, 0L)

        {
            Image = joined _.Image
            Dense = joined _.Dense
            Cells = joined _.Cells
        }

    let private rowsOf (indices: int list) (x: Tensor) =
        x.index_select (0L, torch.tensor (indices |> List.map int64 |> Array.ofList))

    /// Right answers and questions of each kind, and the share right over all.
    let private scored kinds (truth: int list) (found: int list) =
        let right = List.map2 (=) truth found

        let ofKind kind =
            let answers =
                List.zip truth right
                |> List.choose (fun (actual, right) -> if actual = kind then Some right else None)

            if answers.IsEmpty then
                0.0
            else
                answers |> List.averageBy (fun right -> if right then 1.0 else 0.0)

        let overall =
            if right.IsEmpty then
                0.0
            else
                right |> List.averageBy (fun right -> if right then 1.0 else 0.0)

        overall, [ for kind in 0 .. kinds - 1 -> ofKind kind ]

    let private answers texts (images: Tensor) =
        (ZeroShot.nearest texts images).data<int64>().ToArray()
        |> Array.map int
        |> List.ofArray

    let private hitRates (texts: Texts) seed (shown: int list) (seen: Seen) =
        let classTexts = texts.classes.squeeze 0L // [K, d]
        let classes = int classTexts.shape[0]
        let frames, cells = shown.Length, int (seen.Dense.shape[1] * seen.Dense.shape[2])

        let same (rows: Tensor) =
            rows.unsqueeze(0L).expand(int64 frames, -1L, -1L)

        let each indices =
            (rowsOf indices classTexts).unsqueeze 1L

        let other =
            shown
            |> List.mapi (fun frame own ->
                (own
                 + 1
                 + (seed |> Seed.named "shuffled" |> Seed.split frame |> Seed.below (classes - 1)))
                    %
                    classes)

        let mean (shares: Tensor) = shares.mean().item<float32>() |> float

        [
            for alpha in alphas do
                use _scope = torch.NewDisposeScope()

                let by prompts =
                    mean (ZeroShot.coveredBy alpha prompts seen.Cells seen.Dense)

                let kept = int (Regions.count alpha (int64 cells))

                {
                    Alpha = alpha
                    AllClasses = by (same classTexts)
                    OwnClass = by (each shown)
                    OtherClass = by (each other)
                    Conditions = by (same texts.conditions)
                    Random =
                        ZeroShot.randomCells frames cells kept (Seed.named "random" seed)
                        |> ZeroShot.covered seen.Cells
                        |> mean
                }
        ]

    /// Zero-shot figures on `count` frames of the world drawn by `seed`. `weights` needs a text tower.
    let measure
        (world: PretrainingWorld)
        (weights: Weights)
        (seed: Seed)
        (count: int)
        (progress: Progress)
        : Result<ZeroShotReport, McdrlError> =
        result {
            use _noGrad = torch.no_grad ()
            use _scope = torch.NewDisposeScope()
            let classes, conditions = world.Classes.Length, world.Conditions.Length

            let! embeddings =
                PromptTable.resolve weights TextSource.Own (Prompts.all world.Classes world.Conditions)

            let texts = PromptTexts.ofEmbeddings classes conditions None embeddings
            let side = int (Tower.inputSize weights.Tower)

            let! parts =
                [ 0..chunk .. count - 1 ]
                |> List.traverseResultM (fun first ->
                    if progress.IsCancelled then
                        Error McdrlError.Cancelled
                    else
                        let frames =
                            PretrainingBatches.frames world side seed first (min chunk (count - first))

                        let seen = see classes weights.Tower frames

                        progress.Tell
                            {
                                Stage = "measuring"
                                Done = first + frames.Length
                                Total = count
                                Note = ""
                            }

                        Ok(seen, frames |> Array.map _.Condition))

            let seen = together (List.map fst parts)
            let named = parts |> List.collect (snd >> List.ofArray)

            let shown =
                [
                    for frame in 0 .. count - 1 do
                        let shown = Objective.classShown classes (seen.Cells[int64 frame])

                        if shown >= 0L then
                            frame, int shown
                ]

            let under =
                [
                    for frame, condition in List.indexed named do
                        match condition with
                        | Some name -> frame, List.findIndex ((=) name) world.Conditions
                        | None -> ()
                ]

            let lesions, lesionClasses = List.unzip shown
            let conditionFrames, conditionNumbers = List.unzip under

            let classAccuracy, perClass =
                answers (texts.classes.squeeze 0L) (rowsOf lesions seen.Image)
                |> scored classes lesionClasses

            let conditionAccuracy, perCondition =
                answers texts.conditions (rowsOf conditionFrames seen.Image)
                |> scored conditions conditionNumbers

            return
                {
                    Frames = count
                    LesionFrames = lesions.Length
                    ClassAccuracy = classAccuracy
                    PerClass = perClass
                    ConditionFrames = conditionFrames.Length
                    ConditionAccuracy = conditionAccuracy
                    PerCondition = perCondition
                    HitRates =
                        hitRates
                            texts
                            seed
                            lesionClasses
                            {
                                Image = rowsOf lesions seen.Image
                                Dense = rowsOf lesions seen.Dense
                                Cells = rowsOf lesions seen.Cells
                            }
                }
        }
