namespace Mcdrl

/// An imaging condition: a confounder of the dictionary, as words.
type Condition =
    {
        /// What follows "An endoscopy image with".
        Name: string
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

    /// Cuts the embeddings of `all classes conditions`, [K + M + K·M + 1, d], into their parts. `prior` holds one
    /// weight ≥ 0 per condition; `None` is uniform.
    let texts (classes: int) (conditions: int) (prior: float list option) (embeddings: Tensor) : Texts =
        let k, m = int64 classes, int64 conditions
        let rows start count = embeddings.narrow (0L, start, count)

        {
            classes = (rows 0L k).unsqueeze 0L
            conditions = rows k m
            class_conditions = (rows (k + m) (k * m)).unflatten(0L, [| k; m |])
            normal = embeddings.select (0L, k + m + k * m)
            log_prior =
                prior
                |> Option.defaultValue (List.replicate conditions 1.0)
                |> Backdoor.logPrior
        }
