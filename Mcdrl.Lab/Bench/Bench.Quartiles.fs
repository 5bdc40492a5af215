namespace Mcdrl

/// How some measurements lie, in their own unit.
type internal Quartiles =
    {
        Least: float
        Lower: float
        Median: float
        Upper: float
        Most: float
    }

[<RequireQualifiedAccess>]
module internal Quartiles =
    /// Of one measurement or more.
    let ofMeasurements (values: float list) : Quartiles =
        let sorted = values |> List.sort |> Array.ofList

        {
            Least = Array.head sorted
            Lower = Summary.quantile 0.25 sorted
            Median = Summary.quantile 0.5 sorted
            Upper = Summary.quantile 0.75 sorted
            Most = Array.last sorted
        }

    /// Of the ratios within pairs measured together: what slows the machine down for a while slows both.
    let ofRatios (numerators: float list) (denominators: float list) : Quartiles =
        List.map2 (/) numerators denominators |> ofMeasurements
