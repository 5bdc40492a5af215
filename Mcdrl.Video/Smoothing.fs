namespace Mcdrl

open System

/// Answers that carry over from frame to frame.
type SmoothedAnswer =
    {
        /// When it was given, seconds.
        Time: float
        /// P(Y) of each pixel of the network's input, [K + 1, S, S] row by row, background first.
        Probabilities: float32[]
    }

/// Exponential smoothing of probabilities in time, along the motion of what is seen. Causal: an answer depends on its own frame and
/// on earlier ones alone.
[<RequireQualifiedAccess>]
module Smoothing =
    /// Where a block differs by more from where it came from, in levels of grey, it shows something new, and the past says nothing about it.
    let private strange = 20f

    /// Checks the seconds after which an answer counts for a third.
    let check (seconds: float) : Result<float, McdrlError> =
        if seconds > 0.0 && seconds <= 10.0 then
            Ok seconds
        else
            Error(
                McdrlError.usage
                    $"{seconds} s is no time to smooth over"
                    "“smooth”"
                    "Give seconds above 0, at most 10, for example 0.2"
            )

    /// The answer at a time, given the one before and how the frame has moved since: p + w·(p′ − p), where p′ is the answer before, moved, and
    /// w = exp(−Δt / seconds). Where nothing was before, or what is seen is new, p alone.
    let step
        (seconds: float)
        (before: (SmoothedAnswer * Motion) option)
        (time: float)
        (side: int)
        (probabilities: float32[])
        : SmoothedAnswer =
        match before with
        | None ->
            {
                Time = time
                Probabilities = probabilities
            }
        | Some(before, motion) ->
            let weight = float32 (exp (-(max 0.0 (time - before.Time)) / seconds))
            let area = side * side
            let smoothed = Array.copy probabilities
            let columns, rows = BlockMotion.blocksOf motion side side
            let last = float32 (side - 1)

            for y in 0 .. side - 1 do
                for x in 0 .. side - 1 do
                    let block = rows[y] * motion.Columns + columns[x]
                    let fromX = float32 x + motion.X[block] * float32 side
                    let fromY = float32 y + motion.Y[block] * float32 side

                    if
                        motion.Residual[block] <= strange
                        && fromX >= 0f
                        && fromY >= 0f
                        && fromX <= last
                        && fromY <= last
                    then
                        let left, top = int fromX, int fromY
                        let right, bottom = min (side - 1) (left + 1), min (side - 1) (top + 1)
                        let shareX, shareY = fromX - float32 left, fromY - float32 top

                        for label in 0 .. probabilities.Length / area - 1 do
                            let map = label * area

                            let at row column =
                                before.Probabilities[map + row * side + column]

                            let above = at top left + shareX * (at top right - at top left)
                            let below = at bottom left + shareX * (at bottom right - at bottom left)
                            let past = above + shareY * (below - above)
                            let index = map + y * side + x
                            let own = probabilities[index]
                            smoothed[index] <- own + weight * (past - own)

            {
                Time = time
                Probabilities = smoothed
            }
