namespace Mcdrl

open TorchSharp

/// The text embeddings of a model, from the embeddings of its prompts.
[<RequireQualifiedAccess>]
module PromptTexts =
    /// Cuts the embeddings of `Prompts.all classes conditions`, [K + M + K·M + 1, d], into their parts. `prior` holds one
    /// weight ≥ 0 per condition; `None` is uniform.
    let ofEmbeddings
        (classes: int)
        (conditions: int)
        (prior: float list option)
        (embeddings: Tensor)
        : Texts =
        let k, m = int64 classes, int64 conditions
        let rows start count = embeddings.narrow (0L, start, count)

        {
            classes = (rows 0L k).unsqueeze 0L
            conditions = rows k m
            class_conditions = (rows (k + m) (k * m)).unflatten(0L, [| k; m |])
            normal = embeddings.select (0L, k + m + k * m)
            log_prior =
                prior
                |> Option.defaultValue (List.replicate conditions 1.0)
                |> Backdoor.logPrior
        }

    /// For each of `count` places, at least 2, another one, each taken once: every derangement is as likely.
    let private derangement (count: int) seed =
        Seq.initInfinite (fun attempt -> Seed.permutation count (Seed.split attempt seed))
        |> Seq.find (Array.indexed >> Array.forall (fun (place, taken) -> place <> taken))

    /// The same texts with what `source` says in place of z_m, drawn by the seed where it is drawn; t_{k,m} and the prior stay
    /// with the names of the conditions.
    let withDictionary (source: DictionarySource) seed (texts: Texts) : Texts =
        let z = texts.conditions

        { texts with
            conditions =
                scoped (fun () ->
                    match source with
                    | DictionarySource.Random ->
                        let directions = unit (SeedTensors.normal (List.ofArray z.shape) seed)
                        directions.``to``(z.device).``to``(z.dtype).mul(z.norm (-1, true))
                    | DictionarySource.Shuffled ->
                        let others = derangement (int z.shape[0]) seed |> Array.map int64
                        z.index_select (0L, torch.tensor (others, device = z.device))
                    | DictionarySource.Constant -> z.mean([| 0L |], true).expand_as(z).contiguous())
        }
