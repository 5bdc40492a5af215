module Mcdrl.Tests.FramesTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private prepared folder key progress =
    let dataset = Outcome.ok (Dataset.load (World.data ()))
    let items = dataset.Sites |> Seq.collect _.Items |> Array.ofSeq
    dataset, Frames.prepare (Path.Combine(folder, "frames.bin")) key 32 dataset items progress

let tests =
    testSequenced (
        testList
            "Frames"
            [
                testCase "a frame is the picture resized, its labels the mask resized, whatever the order"
                <| fun () ->
                    use _scope = torch.NewDisposeScope()

                    Folder.temporary (fun folder ->
                        let dataset, outcome = prepared folder "k" Progress.none
                        let frames = Outcome.ok outcome
                        use _store: IDisposable = frames.Store
                        Expect.equal frames.Items.Length 18 "every item"

                        for index in [ 17; 0; 7; 12 ] do
                            let frame, labels = Frames.read frames index
                            let picture, truth = Outcome.ok (Dataset.read dataset frames.Items[index])

                            let levels =
                                (Resize.bicubic 32 32 (RasterTensors.ofPicture picture)).``to`` torch.float32

                            Expect.equal (List.ofArray frame.shape) [ 3L; 32L; 32L ] "shape"
                            Expect.equal labels.dtype torch.uint8 "labels"

                            Expect.isLessThan
                                (frame.mul(scalar 255.0).sub(levels).abs().max().item<float32>())
                                1e-3f
                                "levels"

                            let marks =
                                (Resize.nearest 32 32 (RasterTensors.ofLabels truth)).``to`` torch.uint8

                            Expect.isTrue (marks.equal(labels).all().item<bool>()) "marks")

                testCase "prepared once for a key"
                <| fun () ->
                    Folder.temporary (fun folder ->
                        let times key =
                            let mutable told = 0

                            let _, outcome =
                                prepared
                                    folder
                                    key
                                    { Progress.none with
                                        Tell = fun _ -> told <- told + 1
                                    }

                            ((Outcome.ok outcome).Store :> IDisposable).Dispose()
                            told

                        Expect.isGreaterThan (times "k") 0 "made"
                        Expect.equal (times "k") 0 "used"
                        Expect.isGreaterThan (times "l") 0 "made for another key")

                testCase "cancelled, and nothing stays"
                <| fun () ->
                    Folder.temporary (fun folder ->
                        let _, outcome = prepared folder "k" (Progress.until (CancellationToken true))
                        Expect.equal (Result.map ignore outcome) (Error McdrlError.Cancelled) "cancelled"
                        Expect.isEmpty (Directory.GetFiles folder) "no file")
            ]
    )
