namespace Mcdrl

open System
open System.Security.Cryptography
open System.Text
open TorchSharp

/// A training state on the disk: named tensors, a few facts, and a digest over all of them.
[<RequireQualifiedAccess>]
module internal Checkpoint =
    let private digestKey = "sha256"

    let private digest (facts: Map<string, string>) (tensors: (string * Tensor) list) =
        use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256

        let text (value: string) =
            hash.AppendData(Encoding.UTF8.GetBytes(value + "\n"))

        for KeyValue(key, value) in facts do
            text $"{key}={value}"

        for name, tensor in List.sortBy fst tensors do
            text $"{name} {tensor.dtype} {shapeText tensor.shape}"
            use _scope = torch.NewDisposeScope()
            hash.AppendData(tensor.detach().cpu().contiguous().bytes)

        Convert.ToHexStringLower(hash.GetHashAndReset())

    /// Replaces the file at `path`, whole or not at all.
    let write path (facts: Map<string, string>) (tensors: (string * Tensor) list) : Result<unit, McdrlError> =
        Safetensors.write path (facts.Add(digestKey, digest facts tensors)) tensors

    /// Reads a checkpoint and verifies its digest.
    let read path : Result<Map<string, string> * Map<string, Tensor>, McdrlError> =
        Safetensors.read path
        |> Result.bind (fun content ->
            let facts = content.Metadata.Remove digestKey

            if content.Metadata.TryFind digestKey = Some(digest facts (Map.toList content.Tensors)) then
                Ok(facts, content.Tensors)
            else
                Error(
                    McdrlError.model
                        "the checkpoint's sha256 does not match its content"
                        path
                        "Restore the file from a copy, or start the run afresh in another folder"
                ))
