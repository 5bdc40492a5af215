namespace Mcdrl

open System.Collections.Generic

/// What is read is never written over.
[<RequireQualifiedAccess>]
module Inputs =
    let private place path =
        FileIdentity.ofPath path |> Option.map (fun found -> found.Device, found.Inode)

    /// The outputs that are one of the inputs, by whatever name, link or mount: each with that input.
    let overwritten (inputs: string seq) (outputs: string seq) : (string * string) list =
        let given = Dictionary<uint64 * uint64, string>()

        for input in inputs do
            place input |> Option.iter (fun found -> given.TryAdd(found, input) |> ignore)

        [
            for output in outputs do
                match place output with
                | Some found when given.ContainsKey found -> output, given[found]
                | _ -> ()
        ]

    /// Refuses an output that is one of the inputs.
    let keep (inputs: string list) (out: string) : Result<unit, McdrlError> =
        match overwritten inputs [ out ] with
        | [] -> Ok()
        | (_, input) :: _ ->
            Error(
                McdrlError.usage
                    $"this is what is read, {input}, and would be replaced"
                    out
                    "Choose another “out”"
            )
