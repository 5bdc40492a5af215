namespace Mcdrl

open TorchSharp

/// Ids of texts as rows of one length.
[<RequireQualifiedAccess>]
module internal TokenRows =
    /// One row of `context` ids a text, zero-padded, I64 [n, context]. Texts with more ids are a `Usage` error that lists
    /// them: a prompt is never cut silently.
    let padded (context: int) (rows: (string * int64 list) list) : Result<Tensor, McdrlError> =
        let long =
            rows
            |> List.filter (fun (_, ids) -> ids.Length > context)
            |> List.map (fun (text, ids) ->
                McdrlError.usage
                    $"it has {ids.Length} tokens, the text tower takes {context}"
                    $"prompt \"{text}\""
                    "Shorten it")

        match McdrlError.ofList long with
        | Some error -> Error error
        | None ->
            let padded =
                [|
                    for _, ids in rows do
                        yield! ids
                        yield! Array.zeroCreate<int64>(context - ids.Length)
                |]

            scoped (fun () -> torch.tensor(padded).reshape(int64 rows.Length, int64 context))
            |> Ok
