namespace Mcdrl

/// How some measurements lie, in their own unit.
type Quartiles =
    {
        Least: float
        Lower: float
        Median: float
        Upper: float
        Most: float
    }

[<RequireQualifiedAccess>]
module Quartiles =
    /// Linear between the two measurements around the place, as NumPy and R (type 7) do it.
    let private at share (sorted: float array) =
        let place = share * float (sorted.Length - 1)
        let below = int (floor place)
        let above = min (sorted.Length - 1) (below + 1)
        sorted[below] + (place - float below) * (sorted[above] - sorted[below])

    /// Of one measurement or more.
    let ofMeasurements (values: float list) : Quartiles =
        let sorted = values |> List.sort |> Array.ofList

        {
            Least = Array.head sorted
            Lower = at 0.25 sorted
            Median = at 0.5 sorted
            Upper = at 0.75 sorted
            Most = Array.last sorted
        }

    /// Of the ratios within pairs measured together: what slows the machine down for a while slows both.
    let ofRatios (numerators: float list) (denominators: float list) : Quartiles =
        List.map2 (/) numerators denominators |> ofMeasurements
