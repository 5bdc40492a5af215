namespace Mcdrl

/// A mean and how far it may be off by chance.
type Measured =
    {
        /// In the score's own unit.
        Mean: float
        /// Standard error of the mean.
        Error: float
    }

/// Means with their errors: made from spreads, subtracted, compared with 0.
[<RequireQualifiedAccess>]
module Measured =
    /// The mean of some scores and its standard error, s / √n.
    let ofSpread (spread: Spread) : Measured =
        {
            Mean = spread.Mean
            Error = spread.StandardDeviation / sqrt (float (max 1 spread.Count))
        }

    /// Of the difference of two, as if they were independent.
    let minus (b: Measured) (a: Measured) : Measured =
        {
            Mean = a.Mean - b.Mean
            Error = sqrt (a.Error * a.Error + b.Error * b.Error)
        }

    /// Whether the number is further from 0 than twice its error.
    let isClear (measured: Measured) =
        abs measured.Mean > 2.0 * measured.Error
