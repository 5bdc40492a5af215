module Mcdrl.Tests.CheckpointTests

open System.IO
open System.Text
open Expecto
open TorchSharp
open Mcdrl

let private facts = Map [ "step", "7"; "best_dice", "0.5" ]

let private written (work: string -> byte[] -> unit) =
    use _scope = torch.NewDisposeScope()

    Folder.temporary (fun folder ->
        let path = Path.Combine(folder, "checkpoint.safetensors")

        Outcome.ok (
            Checkpoint.write
                path
                facts
                [
                    "b", torch.arange (6L, dtype = torch.float32)
                    "a", torch.tensor 3L
                    "c", (torch.ones (2L, 2L)).t().mul(scalar 0.5)
                ]
        )

        work path (File.ReadAllBytes path))

let private refusedAs path (bytes: byte[]) =
    File.WriteAllBytes(path, bytes)
    Checkpoint.read path |> Result.map ignore |> Outcome.refusedWith 3 [ path ]

let tests =
    testSequenced (
        testList
            "Checkpoint"
            [
                testCase "what is written is what is read"
                <| fun () ->
                    written (fun path _ ->
                        let found, tensors = Outcome.ok (Checkpoint.read path)
                        Expect.equal found facts "facts"
                        Expect.equal (List.ofSeq tensors.Keys) [ "a"; "b"; "c" ] "names"
                        Expect.equal (tensors["a"].item<int64>()) 3L "a number"

                        Expect.equal (tensors["b"].data<float32>().ToArray()) [| 0.0f .. 5.0f |] "a vector")

                testCase "a flipped bit anywhere in the tensors"
                <| fun () ->
                    written (fun path bytes ->
                        for distance in [ 1; 9; 20; 40 ] do
                            refusedAs path (Crafted.flip (bytes.Length - distance) bytes))

                testCase "a fact or a name changed, the file cut"
                <| fun () ->
                    written (fun path bytes ->
                        let edit (old: string) (fresh: string) =
                            Encoding.Latin1.GetBytes((Encoding.Latin1.GetString bytes).Replace(old, fresh))

                        let changed = edit "\"step\":\"7\"" "\"step\":\"8\""
                        Expect.notEqual changed bytes "the fact is there"
                        refusedAs path changed
                        let renamed = edit "\"b\":" "\"d\":"
                        Expect.notEqual renamed bytes "the name is there"
                        refusedAs path renamed
                        refusedAs path bytes[.. bytes.Length - 2])

                testCase "a tensor file without a digest is no checkpoint"
                <| fun () ->
                    written (fun path _ ->
                        Outcome.ok (Safetensors.write path facts [ "b", torch.ones [| 2L |] ])
                        Checkpoint.read path |> Result.map ignore |> Outcome.refusedWith 3 [ "sha256" ])
            ]
    )
