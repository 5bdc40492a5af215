namespace Mcdrl

open TorchSharp

/// Rendered frames to try a model on where no others are at hand: of different sites, lesions and conditions, and one without
/// lesion.
[<RequireQualifiedAccess>]
module SampleFrames =
    let private side = 256

    /// Frame `number`, always the same.
    let picture (number: int) : Picture =
        let seed = Seed.create 20UL |> Seed.split number
        let site = Phantom.sites[number % Phantom.sites.Length]

        let lesion =
            if number = 0 then
                None
            else
                Some(number % Phantom.classes.Length)

        let condition =
            if number = 1 then
                None
            else
                Some(Phantom.condition site false lesion (Seed.named "condition" seed))

        Phantom.render side (Phantom.scene site lesion (Seed.named "scene" seed)) condition seed
        |> fst

    /// How many suffice to see both special cases and some ordinary ones.
    let varied = 4

    /// `count` frames as a network of this input size takes them, repeated after `varied`. [count, 3, side, side] in [0, 1]
    let batch (side: int) (count: int) : Tensor =
        scoped (fun () ->
            let different = Array.init (min count varied) (picture >> Preprocessing.frame side)

            torch.stack (Array.init count (fun index -> different[index % different.Length])))
