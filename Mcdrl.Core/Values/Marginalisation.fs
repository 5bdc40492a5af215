namespace Mcdrl

/// How P(Y | do(F)) is computed. Only `Exact` is backdoor adjustment (Eq. 1-4); the others approximate it.
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

/// How the four modes of marginalisation are named on the command line.
[<RequireQualifiedAccess>]
module MarginalisationName =
    let private names =
        [
            "exact", Marginalisation.Exact
            "feature-mean", Marginalisation.FeatureMean
            "nwgm", Marginalisation.Nwgm
            "attention", Marginalisation.Attention
        ]

    let ofMode mode =
        match mode with
        | Marginalisation.Exact -> "exact"
        | Marginalisation.FeatureMean -> "feature-mean"
        | Marginalisation.Nwgm -> "nwgm"
        | Marginalisation.Attention -> "attention"

    /// `None` where the argument is absent: the model's own mode.
    let parse (name: string option) : Result<Marginalisation option, McdrlError> =
        match name with
        | None -> Ok None
        | Some name ->
            match List.tryFind (fst >> (=) name) names with
            | Some(_, mode) -> Ok(Some mode)
            | None ->
                let known = names |> List.map fst |> String.concat ", "
                Error(McdrlError.usage "there is no such mode" $"--mode {name}" $"Choose one of {known}")
