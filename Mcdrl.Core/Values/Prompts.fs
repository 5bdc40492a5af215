namespace Mcdrl

/// An imaging condition: a confounder of the dictionary, as words.
type Condition =
    {
        /// What follows "An endoscopy image with".
        Name: string
        /// Which of the five groups it belongs to, e.g. "illumination".
        Category: string
    }

/// The words of MCDRL. The paper's section 4.2.1 lists the conditions; their exact wording is ours.
[<RequireQualifiedAccess>]
module Prompts =
    let private category name conditions =
        conditions |> List.map (fun condition -> { Name = condition; Category = name })

    /// The twelve conditions of the dictionary in five categories.
    let conditions: Condition list =
        [
            category "view quality" [ "blur"; "artifacts" ]
            category "illumination" [ "bright lighting"; "dim lighting"; "uneven lighting" ]
            category "imaging technique" [ "narrow-band imaging"; "white-light imaging" ]
            category "distance" [ "a close-up view"; "a distant view" ]
            category "surface interference" [ "mucus"; "blood"; "reflection" ]
        ]
        |> List.concat

    /// Three more, for dictionaries of fifteen.
    let extraConditions: Condition list =
        category "view quality" [ "motion blur" ]
        @ category "surface interference" [ "bubbles"; "instrument" ]

    /// e_k
    let ofClass (lesion: string) = $"A {lesion} in an endoscopic image"

    /// z_m
    let ofCondition (condition: string) = $"An endoscopy image with {condition}"

    /// t_{k,m}
    let ofClassUnder (condition: string) (lesion: string) = $"A {lesion} with {condition}"

    /// What cells without a lesion show.
    let normal = "An endoscopic image of normal mucosa"

    /// Every prompt that a model of these classes and conditions needs, in the order of `Texts`: K classes,
    /// M conditions, K·M pairs class by class, normal mucosa.
    let all (classes: string list) (conditions: string list) =
        [
            yield! List.map ofClass classes
            yield! List.map ofCondition conditions
            for lesion in classes do
                for condition in conditions do
                    ofClassUnder condition lesion
            normal
        ]
