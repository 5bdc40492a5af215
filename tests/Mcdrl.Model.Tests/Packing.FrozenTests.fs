module Mcdrl.Tests.PackingFrozenTests

open Expecto
open Mcdrl
open TorchSharp
open Mcdrl.Tests.PackingTests

let private images () =
    SeedTensors.normal [ 2L; 3L; 64L; 64L ] (Seed.create 5UL)

/// The gradient of the sum of the dense map for the trained leaves, which begin anew.
let private gradients (run: Tower) (trained: (string * Tensor) list) =
    let features = Tower.forward DenseMode.Maskclip run (images ())
    features.Dense.sum().backward()

    [
        for _, leaf in trained do
            match Option.ofObj leaf.grad with
            | None -> None
            | Some gradient ->
                let own = gradient.clone ()
                gradient.zero_ () |> ignore
                Some own
    ]

let private sameFeatures name (make: unit -> Tower) trained =
    testCase
        $"{name}, {trained} blocks trained: the same features and gradients, the same trained leaves"
        (fun () ->
            use _scope = torch.NewDisposeScope()
            let tower: Tower = disturbed (make ())
            let isTrained = Tower.isTrained trained tower

            let tower =
                tower
                |> Tree.mapi (fun path leaf -> (leaf.detach ()).requires_grad_(isTrained path))

            let run = FrozenTower.packed trained tower
            let leaves = Tree.leaves tower |> List.filter (fst >> isTrained)
            let run' = dict (Tree.leaves run)

            for path, leaf in leaves do
                Expect.isTrue (obj.ReferenceEquals(run'[path], leaf)) path

            if trained < (Tower.parts tower).Length then
                Expect.isTrue (run'.Values |> Seq.exists OneDnn.isPacked) "packed below"

            List.iter2
                (fun (found: Tensor) (expected: Tensor) ->
                    Expect.isLessThan (relative found expected) 2e-5f "features")
                (maps (Tower.forward DenseMode.Maskclip run (images ())))
                (maps (Tower.forward DenseMode.Maskclip tower (images ())))

            if not leaves.IsEmpty then
                List.iter2
                    (fun found expected ->
                        match found, expected with
                        | Some(found: Tensor), Some(expected: Tensor) when
                            expected.norm().item<float32>() > 1e-3f
                            ->
                            Expect.isLessThan (relative found expected) 1e-2f "gradients"
                        | found, expected ->
                            Expect.equal (Option.isSome found) (Option.isSome expected) "a gradient")
                    (gradients run leaves)
                    (gradients tower leaves))

let tests =
    testList
        "Packing.Frozen"
        [
            for name, make in towers do
                for trained in [ 0; 1; 2; 1000 ] do
                    sameFeatures name make trained
        ]
