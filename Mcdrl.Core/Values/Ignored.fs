namespace Mcdrl

open System

/// Pixels of a true mask that nobody can judge: they count neither in losses nor in metrics, whatever an answer says there.
[<RequireQualifiedAccess>]
module Ignored =
    /// The label of such a pixel. No class of a dataset has it.
    let label = Byte.MaxValue

    /// Whether some of a true mask's pixels are ignored.
    let isIn (truth: byte[]) : bool = truth.AsSpan().Contains label

    /// A true mask with background in place of what is ignored; the array itself where nothing is.
    let asBackground (truth: byte[]) : byte[] =
        if isIn truth then
            truth |> Array.map (fun value -> if value = label then 0uy else value)
        else
            truth

    /// An answer's values, one a pixel, with `nothing` where the true mask is ignored; the array itself where nothing is.
    let without (nothing: 'value) (truth: byte[]) (values: 'value[]) : 'value[] =
        if isIn truth then
            Array.map2 (fun value truth -> if truth = label then nothing else value) values truth
        else
            values

    /// Values, one a pixel, of the pixels that count; the array itself where all do.
    let counted (truth: byte[]) (values: 'value[]) : 'value[] =
        if isIn truth then
            Array.zip values truth
            |> Array.filter (fun (_, truth) -> truth <> label)
            |> Array.map fst
        else
            values
