namespace Mcdrl

open System

/// Values that pretraining starts from, for towers of which only the shape is known (`template`).
[<RequireQualifiedAccess>]
module FirstWeights =
    let private normal deviation shape seed =
        scoped (fun () -> (SeedTensors.normal shape seed).mul(scalar deviation))

    /// U(±√(3/inputs)): variance 1/inputs for every product of a matrix or kernel [outputs, inputs, ...].
    let private uniform (gain: float) (shape: int64 list) seed =
        let inputs = shape |> List.tail |> List.fold (*) 1L
        SeedTensors.symmetric (gain * sqrt (3.0 / float inputs)) shape seed

    let private leaf seed (path: string) (template: Tensor) =
        let shape = List.ofArray template.shape
        let seed = Seed.named path seed

        let ends (name: string) =
            path.EndsWith(name, StringComparison.Ordinal)

        match shape with
        | [] -> TorchSharp.torch.tensor (float32 (log (1.0 / TextClasses.temperature)))
        | _ when ends "token_embedding.weight" -> normal 0.02 shape seed
        | _ when ends "positional_embedding" -> normal 0.01 shape seed
        | [ inputs; _ ] when ends "proj" || ends "text_projection" ->
            normal (1.0 / sqrt (float inputs)) shape seed
        | [ width ] when ends "class_embedding" -> normal (1.0 / sqrt (float width)) shape seed
        | [ _ ] when ends "weight" || ends "running_var" -> Init.ones shape
        | [ _ ] -> Init.zeros shape
        | [ _; _; _; _ ] -> uniform (sqrt 2.0) shape seed
        | _ -> uniform 1.0 shape seed

    /// Weights with the template's names and shapes: kernels and matrices uniform by their number of inputs, norms the
    /// identity, biases 0, the logit scale ln(1/τ) of CLIP's first temperature.
    let ofTemplate seed (template: 'T) : 'T = Tree.mapi (leaf seed) template
