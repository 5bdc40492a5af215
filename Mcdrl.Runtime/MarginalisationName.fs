namespace Mcdrl

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
