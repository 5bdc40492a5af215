namespace Mcdrl

open System
open TorchSharp

/// A lesion as words can tell it.
type internal VisibleLesion =
    {
        Class: string
        Place: string
        Size: string
    }

/// What there is to say about a frame.
type internal Description =
    {
        /// `None` for normal mucosa.
        Lesion: VisibleLesion option
        /// `None` for a plain frame.
        Condition: string option
    }

/// Something that a caption can say of a frame and that is true of it or not.
[<RequireQualifiedAccess>]
type internal Claim =
    /// A lesion of this class is in view.
    | Shows of lesion: string
    /// No lesion is in view.
    | Normal
    /// The lesion lies there.
    | At of place: string
    /// The lesion is that large.
    | Sized of size: string
    /// The frame was taken under this condition.
    | Under of condition: string

/// A sentence and what it claims. It is true of a frame when all its claims are.
type internal Caption = { Text: string; Claims: Set<Claim> }

/// Captions of phantom frames, for pretraining: a grammar of lesion, place, size and condition. The method's own
/// prompts (`Prompts`) are sentences of it, so that they are no news to the text tower.
[<RequireQualifiedAccess>]
module internal Captions =
    /// Above, within and below the middle fifth of the frame, row by row.
    let private placeNames =
        [
            [ "upper left"; "top"; "upper right" ]
            [ "left"; "centre"; "right" ]
            [ "lower left"; "bottom"; "lower right" ]
        ]

    /// Every word for where a lesion lies.
    let places = List.concat placeNames

    /// Sizes and the share of the frame's area below which they end.
    let private sizeNames = [ "small", 0.045; "medium", 0.12; "large", infinity ]

    /// Every word for how large a lesion is.
    let sizes = List.map fst sizeNames

    let private lesionAt (classes: string list) (truth: LabelMap) (label: int, count: int64) =
        let mutable x, y = 0.0, 0.0

        truth.Labels
        |> Array.iteri (fun pixel found ->
            if int found = label then
                x <- x + float (pixel % truth.Width) + 0.5
                y <- y + float (pixel / truth.Width) + 0.5)

        let part (sum: float) side =
            let centre = sum / float count / float side

            if centre < 0.4 then 0
            elif centre <= 0.6 then 1
            else 2

        let share = float count / float truth.Labels.Length

        {
            Class = classes[label - 1]
            Place = placeNames[part y truth.Height][part x truth.Width]
            Size = sizeNames |> List.find (fun (_, limit) -> share < limit) |> fst
        }

    /// Describes a frame by its ground truth (0 background, k + 1 class k of `classes`) and its condition: what condition
    /// and optics left of a lesion counts, not what was there before.
    let describe (classes: string list) (truth: LabelMap) (condition: string option) : Description =
        let counts = LabelMap.histogram truth
        let label = [ 1 .. classes.Length ] |> List.maxBy (fun label -> counts[label])

        {
            Lesion =
                if counts[label] = 0L then
                    None
                else
                    Some(lesionAt classes truth (label, counts[label]))
            Condition = condition
        }

    /// All that is true of a frame.
    let claims (description: Description) : Set<Claim> =
        [
            match description.Lesion with
            | None -> Claim.Normal
            | Some lesion ->
                Claim.Shows lesion.Class
                Claim.At lesion.Place
                Claim.Sized lesion.Size

            match description.Condition with
            | None -> ()
            | Some condition -> Claim.Under condition
        ]
        |> Set.ofList

    let private article (noun: string) =
        if "aeiou".Contains(noun[0], StringComparison.Ordinal) then
            "an"
        else
            "a"

    let private sentence text claims =
        {
            Text = text
            Claims = Set.ofList claims
        }

    let private ofLesion (lesion: VisibleLesion) =
        let shows, at, sized =
            Claim.Shows lesion.Class, Claim.At lesion.Place, Claim.Sized lesion.Size

        let named = $"{article lesion.Class} {lesion.Class}"

        [
            sentence (Prompts.ofClass lesion.Class) [ shows ]
            sentence $"A {lesion.Size} {lesion.Class} in an endoscopic image" [ shows; sized ]
            sentence $"An endoscopic image of {named} at the {lesion.Place}" [ shows; at ]
            sentence $"At the {lesion.Place}, a {lesion.Size} {lesion.Class}" [ shows; at; sized ]
        ]

    let private ofLesionUnder (lesion: VisibleLesion) condition =
        let shows, at, sized, under =
            Claim.Shows lesion.Class, Claim.At lesion.Place, Claim.Sized lesion.Size, Claim.Under condition

        let named = $"{article lesion.Class} {lesion.Class}"

        [
            sentence (Prompts.ofClassUnder condition lesion.Class) [ shows; under ]
            sentence (Prompts.ofCondition condition) [ under ]
            sentence
                $"A {lesion.Size} {lesion.Class} at the {lesion.Place} with {condition}"
                [ shows; at; sized; under ]
            sentence $"With {condition}, an endoscopic image of {named}" [ shows; under ]
            sentence
                $"{condition} and a {lesion.Size} lesion at the {lesion.Place}: {named}"
                [ shows; at; sized; under ]
        ]

    let private ofNormalUnder condition =
        let under = Claim.Under condition

        [
            sentence (Prompts.ofCondition condition) [ under ]
            sentence $"Normal mucosa with {condition}" [ Claim.Normal; under ]
            sentence $"With {condition}, an endoscopic image of normal mucosa" [ Claim.Normal; under ]
        ]

    /// Every sentence of the grammar that is true of a frame.
    let ofDescription (description: Description) : Caption list =
        [
            match description.Lesion, description.Condition with
            | Some lesion, Some condition ->
                yield! ofLesion lesion
                yield! ofLesionUnder lesion condition
            | Some lesion, None -> yield! ofLesion lesion
            | None, condition ->
                sentence Prompts.normal [ Claim.Normal ]
                yield! condition |> Option.toList |> List.collect ofNormalUnder
        ]

    /// `count` different true sentences (all of them when there are fewer), drawn at random.
    let draw count seed (description: Description) : Caption list =
        let all = ofDescription description |> Array.ofList

        Seed.permutation all.Length seed
        |> Array.truncate count
        |> Array.map (fun index -> all[index])
        |> List.ofArray

    /// Every sentence of the grammar.
    let all (classes: string list) (conditions: string list) : string list =
        [
            for condition in None :: List.map Some conditions do
                { Lesion = None; Condition = condition }

                for lesion in classes do
                    for place in places do
                        for size in sizes do
                            {
                                Lesion =
                                    Some
                                        {
                                            Class = lesion
                                            Place = place
                                            Size = size
                                        }
                                Condition = condition
                            }
        ]
        |> List.collect ofDescription
        |> List.map _.Text
        |> List.distinct

    /// Which caption is true of which frame: a caption that holds for another frame of the batch too is a positive of
    /// that frame, not a false negative. float32 [frames, captions] of 0 and 1.
    let truth (frames: Description list) (captions: Caption list) : Tensor =
        let marks =
            [|
                for frame in List.map claims frames do
                    for caption in captions do
                        if Set.isSubset caption.Claims frame then 1.0f else 0.0f
            |]

        scoped (fun () -> torch.tensor(marks).reshape(int64 frames.Length, int64 captions.Length))
