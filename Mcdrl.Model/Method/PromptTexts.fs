namespace Mcdrl

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
