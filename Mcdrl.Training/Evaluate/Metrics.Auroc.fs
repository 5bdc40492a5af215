namespace Mcdrl

/// Area under the receiver operating characteristic.
[<RequireQualifiedAccess>]
module Auroc =
    /// The probability that a case that is positive has a higher score than one that isn't, ties counting half: the
    /// Mann–Whitney statistic by mid-ranks, 0.5 for scores that tell nothing. NaN where all cases are positive or none is, or
    /// a score is NaN.
    let ofCases (cases: struct (float * bool) array) : float =
        let positives =
            cases |> Seq.filter (fun struct (_, positive) -> positive) |> Seq.length

        let negatives = cases.Length - positives

        if
            positives = 0
            || negatives = 0
            || cases |> Array.exists (fun struct (score, _) -> System.Double.IsNaN score)
        then
            nan
        else
            let sorted = cases |> Array.sortBy (fun struct (score, _) -> score)

            let scoreAt index =
                let struct (score, _) = sorted[index] in score

            let mutable ranks = 0.0
            let mutable first = 0

            while first < sorted.Length do
                let mutable next = first + 1

                while next < sorted.Length && scoreAt next = scoreAt first do
                    next <- next + 1

                let midRank = float (first + 1 + next) / 2.0

                for index in first .. next - 1 do
                    let struct (_, positive) = sorted[index]

                    if positive then
                        ranks <- ranks + midRank

                first <- next

            let p, n = float positives, float negatives
            (ranks - p * (p + 1.0) / 2.0) / (p * n)
