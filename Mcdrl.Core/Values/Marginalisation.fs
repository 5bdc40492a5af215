namespace Mcdrl

/// How a model intervenes, do(F). Only `Exact` is backdoor adjustment (Eq. 1-4); the others approximate it, `Rendered` does
/// to pixels what it does to features, and `Never` leaves it out.
[<RequireQualifiedAccess>]
type Marginalisation =
    /// Σ_m π_m softmax(H(A(F, z_m))): Eq. 2.
    | Exact
    /// softmax(H(Σ_m π_m A(F, z_m))): Eq. 5 and 7.
    | FeatureMean
    /// softmax(Σ_m π_m H(A(F, z_m))): the normalised weighted geometric mean.
    | Nwgm
    /// softmax(H(A(F, Z))): Eq. 8, weights that depend on F, as the paper implements it.
    | Attention
    /// Σ_m π_m softmax(H(F(T_m(x)))): each condition done to the frame's pixels, for those that can be; A takes no part. One
    /// pass through the tower for each.
    | Rendered
    /// softmax(H(A(F, z_m))) with m drawn from π for each image: the unbiased estimate of Eq. 3, to train with.
    | Sampled
    /// softmax(H(F)): A is the identity, whatever Z is. The baseline, and every model before its gate opens.
    | Never
    /// A function of the caller's own of what the model says under each condition (`Backdoor.adjustBy`). It lives in memory alone: no
    /// model records it, no file is exported in it, no training goes through it.
    | Custom

/// The modes by name, and which of them may answer and which may train.
[<RequireQualifiedAccess>]
module Marginalisation =
    /// Those that answer from one look at the frame, by intervening on its features: what an exported file can do.
    let inFeatures =
        [
            Marginalisation.Exact
            Marginalisation.FeatureMean
            Marginalisation.Nwgm
            Marginalisation.Attention
        ]

    /// Those that may answer.
    let answering = inFeatures @ [ Marginalisation.Rendered ]

    /// Those that may train.
    let training =
        [
            Marginalisation.Attention
            Marginalisation.FeatureMean
            Marginalisation.Sampled
            Marginalisation.Never
        ]

    /// Its name on the command line and in ONNX files, the one that configurations have.
    let name mode =
        match mode with
        | Marginalisation.Exact -> "exact"
        | Marginalisation.FeatureMean -> "feature-mean"
        | Marginalisation.Nwgm -> "nwgm"
        | Marginalisation.Attention -> "attention"
        | Marginalisation.Rendered -> "rendered"
        | Marginalisation.Sampled -> "sampled"
        | Marginalisation.Never -> "never"
        | Marginalisation.Custom -> "custom"

    /// The names of some, for messages.
    let names modes =
        modes |> List.map name |> String.concat ", "

    /// The answering mode of this name; a fault is where the name is.
    let parse (text: string) : Result<Marginalisation, McdrlError> =
        match answering |> List.tryFind (fun mode -> name mode = text) with
        | Some mode -> Ok mode
        | None -> Error(McdrlError.usage "there is no such mode" text $"Choose one of {names answering}")
