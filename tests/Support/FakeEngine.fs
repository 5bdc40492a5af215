/// Engines that compute nothing: what they say is made up.
module Mcdrl.Tests.FakeEngine

open System
open Mcdrl

/// Says of each picture what `answer` makes of it, and explains nothing.
let saying
    (classes: string list)
    (answer: Marginalisation option -> Marking -> Picture -> Result<SegmentationResult, McdrlError>)
    : Engine =
    {
        Classes = classes
        Segment = answer
        Explain = None
        Share =
            fun _ ->
                { new IDisposable with
                    member _.Dispose() = ()
                }
        Free = ignore
    }

/// An answer about an upright picture: its mask, and the network's probabilities, [classes + 1; side; side]. No condition is told of.
let answerOf
    (classes: string list)
    (marking: Marking)
    (mask: LabelMap)
    (side: int)
    (probabilities: float32[])
    : SegmentationResult =
    {
        Mask = mask
        Upright = mask
        Classes = classes
        Mode = Marginalisation.Exact
        Marking = marking
        Probabilities = probabilities
        Side = side
        Orientation = Orientation.TopLeft
        Influence = []
        Disagreement = None
    }

/// Of one class, told by its probabilities at each pixel of the network's output.
let ofLesion (lesion: float32[]) : float32[] =
    Array.append (lesion |> Array.map (fun probability -> 1f - probability)) lesion
