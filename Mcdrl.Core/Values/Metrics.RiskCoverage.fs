namespace Mcdrl

/// What is gained by leaving out what a model is unsure of (Geifman and El-Yaniv, 2017). Cases stand in the order of rising
/// uncertainty; the risk at coverage k/n is the mean risk of the first k. Only the order of the uncertainties matters.
[<RequireQualifiedAccess>]
module RiskCoverage =
    /// The risk at coverage 1/n, 2/n, …, 1 of cases given as uncertainty and risk. Cases of equal uncertainty are taken in any order:
    /// within them the risk is its mean over all orders. Empty of no case, or where an uncertainty is NaN.
    let curve (cases: struct (float * float) array) : float[] =
        if
            cases
            |> Array.exists (fun struct (uncertainty, _) -> System.Double.IsNaN uncertainty)
        then
            [||]
        else
            let sorted = cases |> Array.sortBy (fun struct (uncertainty, _) -> uncertainty)
            let risks = Array.zeroCreate<float> sorted.Length
            let mutable before, first = 0.0, 0

            while first < sorted.Length do
                let struct (uncertainty, _) = sorted[first]
                let mutable next, tied = first, 0.0

                while next < sorted.Length
                      && (let struct (other, _) = sorted[next] in other = uncertainty) do
                    let struct (_, risk) = sorted[next]
                    tied <- tied + risk
                    next <- next + 1

                let mean = tied / float (next - first)

                for place in first .. next - 1 do
                    risks[place] <- (before + mean * float (place + 1 - first)) / float (place + 1)

                before <- before + tied
                first <- next

            risks

    /// Area under the curve, AURC: the mean of its risks, in the risk's unit. Uncertainty that tells nothing gives the mean risk
    /// of all cases, less is better. NaN where there is no curve.
    let area (cases: struct (float * float) array) : float =
        match curve cases with
        | [||] -> nan
        | risks -> Array.average risks

    /// AURC of the best order there is, that of the risks themselves; what is above it is the excess AURC (Geifman, Uziel and
    /// El-Yaniv, 2019).
    let bestArea (cases: struct (float * float) array) : float =
        cases |> Array.map (fun struct (_, risk) -> struct (risk, risk)) |> area
