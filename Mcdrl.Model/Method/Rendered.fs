namespace Mcdrl

open TorchSharp

/// A condition of a dictionary that can be done to the pixels of a frame.
[<NoComparison; NoEquality>]
type RenderedCondition =
    {
        /// Its words in the dictionary.
        Condition: string
        /// π_m over the dictionary's conditions of this kind: above 0, their sum 1.
        Weight: float
        /// T_m, the same for every frame: [3, h, w] in [0, 1] → the same shape and range.
        Render: Tensor -> Tensor
    }

/// Interventions on pixels (ours): Σ_m π_m P(Y | F(T_m(x))), the physical answer that A(F, z_m) approximates in features.
[<RequireQualifiedAccess>]
module Rendered =
    /// Whether a condition can be done to the pixels of a frame.
    let isPossible (condition: string) =
        Conditions.byName |> List.exists (fst >> (=) condition)

    /// The conditions that can be, for messages.
    let possible = Conditions.byName |> List.map fst |> String.concat ", "

    /// How a dictionary's conditions are done to pixels: at `Conditions.typical`, what one leaves open drawn from a seed of
    /// its name, so that an answer has no chance in it. `conditions` are the dictionary's words, `weights` ≥ 0 the prior of each,
    /// of any scale; those without weight are left out. A `Usage` error where none is left.
    let ofDictionary
        (conditions: string list)
        (weights: float seq)
        : Result<RenderedCondition list, McdrlError> =
        let rendered =
            [
                for condition, weight in Seq.zip conditions weights do
                    match List.tryFind (fst >> (=) condition) Conditions.byName with
                    | Some(name, operation) when weight > 0.0 ->
                        let seed = Seed.create 0UL |> Seed.named "rendered" |> Seed.named name

                        {
                            Condition = condition
                            Weight = weight
                            Render = operation Conditions.typical seed
                        }
                    | _ -> ()
            ]

        let sum = rendered |> List.sumBy _.Weight

        if rendered.IsEmpty then
            let listed = String.concat ", " conditions

            Error(
                McdrlError.usage
                    $"none of the model's conditions that have weight can be done to pixels: {listed}"
                    "“mode” rendered"
                    $"Choose one of {Marginalisation.names Marginalisation.inFeatures}, or a model with one of {possible}"
            )
        else
            Ok(rendered |> List.map (fun each -> { each with Weight = each.Weight / sum }))

    /// Frames that the tower sees at once, unless more were given.
    let private together = 4

    /// Σ_m π_m `answer`(T_m(x)). `answer` takes frames [B', 3, S, S], B' a multiple of B, to their probabilities without
    /// intervention, [B', K + 1, S, S]. Frames [B, 3, S, S] in [0, 1] on the CPU → [B, K + 1, S, S]. At most four frames, or B, are
    /// with `answer` at once, whatever M is: that bounds memory.
    let answer (rendered: RenderedCondition list) (answer: Tensor -> Tensor) (frames: Tensor) : Tensor =
        let images = frames.shape[0]

        let ofSome (some: RenderedCondition list) =
            scoped (fun () ->
                let shown =
                    [|
                        for each in some do
                            for frame in frames.unbind () -> each.Render frame
                    |]

                let logPrior = torch.tensor([| for each in some -> each.Weight |]).log()
                let answers = answer (torch.stack shown) // [m·B, K + 1, S, S]

                answers.unflatten (0L, [| int64 some.Length; images |])
                |> Backdoor.expectation (logPrior.``to`` answers.device))

        scoped (fun () ->
            rendered
            |> List.chunkBySize (max 1 (together / int images))
            |> List.map ofSome
            |> List.reduce (fun sum part -> sum.add (part, unity)))
