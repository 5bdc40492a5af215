namespace Mcdrl

open TorchSharp

/// Answers of several mirror images of a frame as one.
[<RequireQualifiedAccess>]
module Mirrored =
    /// The frame as it is and its mirror images, as functions of the last two axes, each its own inverse.
    let images (flips: Flips option) : (Tensor -> Tensor) list =
        let mirror (axes: int64 array) (x: Tensor) : Tensor = x.flip axes

        [
            fun x -> x.alias ()
            match flips with
            | None -> ()
            | Some Flips.Horizontal -> mirror [| -1L |]
            | Some Flips.Both ->
                mirror [| -1L |]
                mirror [| -2L |]
                mirror [| -2L; -1L |]
        ]

    /// The mean of what was found in each image, mirrored back: maps over the last two axes.
    let mean (found: ((Tensor -> Tensor) * Tensor) list) : Tensor =
        match found with
        | [ _, only ] -> only.alias ()
        | several -> scoped (fun () -> (torch.stack [| for back, map in several -> back map |]).mean [| 0L |])

    /// The mean over the images of what `answer` says of each, mirrored back.
    let average (flips: Flips option) (answer: Tensor -> Tensor) (frames: Tensor) : Tensor =
        scoped (fun () ->
            images flips
            |> List.map (fun mirror -> mirror, scoped (fun () -> answer (mirror frames)))
            |> mean)
