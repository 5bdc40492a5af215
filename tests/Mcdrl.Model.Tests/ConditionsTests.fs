module Mcdrl.Tests.ConditionsTests

open Expecto
open FsCheck
open TorchSharp
open Mcdrl

let private frame seed height width =
    use generator = SeedTensors.generator (Seed.create seed)
    torch.rand ([| 3L; height; width |], dtype = torch.float32, generator = generator)

let private apply operation strength seed (frame: Tensor) : Tensor =
    operation strength (Seed.create seed) frame

let private apart (a: Tensor) (b: Tensor) = a.sub(b).abs().max().item<float32>()

let tests =
    testList
        "Conditions"
        [
            for name, operation in Conditions.byName do
                testCase $"{name}: a condition of the dictionary"
                <| fun () -> Expect.contains (Prompts.conditions |> List.map _.Name) name "the same words"

                testPropertyWithConfig
                    { FsCheckConfig.defaultConfig with
                        maxTest = 25
                    }
                    $"{name} keeps shape and range at any strength, and leaves its argument alone"
                    (fun (value: uint64) (share: uint16) ->
                        use _scope = torch.NewDisposeScope()
                        let strength = (float share + 1.0) / 65536.0
                        let before = frame value 24L 17L
                        let kept = before.clone ()
                        let after = apply operation strength value before
                        let low, high = after.min().item<float32>(), after.max().item<float32>()

                        after.shape = before.shape
                        && after.dtype = torch.float32
                        && low >= 0.0f
                        && high <= 1.0f + 1e-6f
                        && apart kept before = 0.0f)

                // On torch's meta device shapes alone are computed, and a tensor from elsewhere is refused. It can't convolve or pool.
                if name <> "blur" && name <> "artifacts" then
                    testCase $"{name} is done where the frame is, on whatever device"
                    <| fun () ->
                        use _scope = torch.NewDisposeScope()
                        let after = apply operation 1.0 1UL ((frame 1UL 24L 17L).``to`` torch.META)
                        Expect.equal after.device.``type`` DeviceType.META "device"

                testCase $"{name} changes the frame, the more the stronger, the same for the same seed"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()
                    // Smooth, mid-grey tissue: every condition has something to change.
                    let ramp = torch.linspace (0.3, 0.6, 48L)
                    let smooth = ramp.expand(3L, 48L, 48L).mul(ramp.view (1L, -1L, 1L)).add(scalar 0.2)
                    let detail = (frame 1UL 48L 48L).mul(scalar 0.2)
                    let before = smooth.add detail

                    let change strength =
                        [ 1UL .. 8UL ]
                        |> List.averageBy (fun seed ->
                            (apply operation strength seed before).sub(before).abs().mean().item<float32>())

                    Expect.isGreaterThan (change 1.0) 0.005f "visible"
                    Expect.isGreaterThan (change 1.0) (change 0.2) "stronger is more"

                    Expect.equal
                        (apart (apply operation 0.7 5UL before) (apply operation 0.7 5UL before))
                        0.0f
                        "same seed, same bits"
        ]
