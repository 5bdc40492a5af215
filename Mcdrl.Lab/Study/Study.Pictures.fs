namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// The pictures of the study's page, drawn and segmented for it.
[<RequireQualifiedAccess>]
module internal StudyPictures =
    let private articled (noun: string) = $"a {noun}"

    /// A frame of every class at every site, as the site's habit has it.
    let contact (plan: StudyPlan) : Result<(string * (string * PageImage) list) list, McdrlError> =
        let seed = Seed.create plan.Seed |> Seed.named "contact"

        let frame (site: PhantomSite) kind =
            let seed = seed |> Seed.named site.Name |> Seed.split kind
            let scene = Phantom.scene site (Some kind) (Seed.named "scene" seed)

            let condition =
                Phantom.condition site true (Some kind) (Seed.named "condition" seed)

            let picture, _ = Phantom.render 224 scene (Some condition) seed
            let name = Phantom.classes[kind]

            PagePictures.jpeg 224 $"{articled name} at {site.Name}, {fst condition}" picture
            |> Result.map (fun image -> name, image)

        Phantom.sites
        |> List.traverseResultM (fun site ->
            [ 0 .. Phantom.classes.Length - 1 ]
            |> List.traverseResultM (frame site)
            |> Result.map (fun frames -> site.Name, frames))

    /// The class that covers most of a mask.
    let private largest (map: LabelMap) =
        match LabelMap.shares map with
        | [] -> None
        | marked -> Some Phantom.classes[fst (List.maxBy snd marked) - 1]

    let private answer segmenter (picture: Picture) (truth: LabelMap) : StudyAnswer =
        let mask = (Segmenter.segment segmenter None picture).Upright

        let struct (dice, _) =
            Interventional.overlap Phantom.classes.Length mask.Labels truth.Labels

        {
            Mask = mask
            Class = largest mask
            Dice = dice
        }

    /// The first lesion of the left-out site as it is and under every condition, with what both models make of it.
    let views
        (plan: StudyPlan)
        (scenes: PhantomScenes)
        (mcdrl: Segmenter)
        (baseline: Segmenter)
        (progress: Progress)
        : Result<string * StudyView list, McdrlError> =
        result {
            let! frame =
                scenes.Frames
                |> List.tryFind (fun frame -> frame.Site = plan.LeftOut && frame.Lesion.IsSome)
                |> Result.requireSome (
                    McdrlError.data "the site shows no lesion" plan.LeftOut "Choose another “seed”"
                )

            let! scene, _, seed = PhantomDataset.scene frame
            let lesion = articled (Option.defaultValue "lesion" frame.Lesion)

            let view (condition: string option) =
                let done' = condition |> Option.map (fun name -> name, plan.Strength)
                let picture, truth = Phantom.render plan.Side scene done' seed
                let name = condition |> Option.defaultValue "no condition"
                let a, b = answer mcdrl picture truth, answer baseline picture truth

                let called (answer: StudyAnswer) =
                    answer.Class |> Option.defaultValue "nothing"

                PagePictures.jpeg
                    plan.Side
                    $"{lesion} under {name}: MCDRL marks {called a}, Dice {Page.short a.Dice}; the baseline marks {called b}, Dice {Page.short b.Dice}"
                    picture
                |> Result.map (fun image ->
                    {
                        Condition = name
                        Image = image
                        Truth = truth
                        Mcdrl = a
                        Baseline = b
                    })

            let! views =
                TorchThreads.run
                    "one scene under every condition"
                    view
                    (Array.ofList (None :: List.map Some Phantom.conditions))
                    progress

            let! views = McdrlError.complete views
            return lesion, views
        }

    /// Three frames of the left-out site, each of another class, the classes in the order in which they occur.
    let private explained (plan: StudyPlan) (scenes: PhantomScenes) =
        scenes.Frames
        |> List.filter (fun frame -> frame.Site = plan.LeftOut && frame.Lesion.IsSome)
        |> List.distinctBy _.Lesion
        |> List.truncate 3

    /// Segments three frames as `mcdrl segment --explain` does, into a folder, and shows the sheets.
    let sheets
        (plan: StudyPlan)
        (scenes: PhantomScenes)
        (data: string)
        (out: string)
        (mcdrl: Segmenter)
        progress
        : Result<(PageImage * string) list, McdrlError> =
        result {
            let frames = explained plan scenes
            let inputs = frames |> List.map (fun frame -> Path.Combine(data, frame.Image))
            let! targets = SegmentFiles.plan inputs out

            let outcomes = ResizeArray()
            let keep _ outcome = outcomes.Add outcome

            let request =
                { SegmentFiles.standard with
                    Explain = true
                }

            do! SegmentFiles.run (Segmenter.engine mcdrl) request targets keep progress
            let! reports = outcomes.ToArray() |> McdrlError.complete

            return!
                List.zip3 frames targets reports
                |> List.traverseResultM (fun (frame, target, found) ->
                    let lesion = Option.defaultValue "lesion" frame.Lesion

                    let summary = found.Explanation |> Option.map _.Summary |> Option.defaultValue ""

                    let caption =
                        $"Frame {Path.GetFileName frame.Image} of {plan.LeftOut}, in truth {articled lesion}, recorded under {frame.Condition}. {summary}"

                    Images.read ImageLimits.standard target.Sheet
                    |> Result.bind (PagePictures.jpeg 1680 $"Explanation sheet. {caption}")
                    |> Result.map (fun image -> image, caption))
        }
