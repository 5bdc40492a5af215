module Mcdrl.Tests.BenchTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open Mcdrl

let private request model scopes modes batches rounds =
    BenchRequest.create model scopes modes [ Precision.Fp32 ] batches rounds 1 "cpu"

let private quartiles =
    testList
        "quartiles"
        [
            testCase "of an even number of measurements lie between two"
            <| fun () ->
                Expect.equal
                    (Quartiles.ofMeasurements [ 4.0; 1.0; 3.0; 2.0 ])
                    {
                        Least = 1.0
                        Lower = 1.75
                        Median = 2.5
                        Upper = 3.25
                        Most = 4.0
                    }
                    "NumPy's percentiles"

            testCase "of one measurement are that"
            <| fun () ->
                let found = Quartiles.ofMeasurements [ 7.0 ]
                Expect.equal (found.Least, found.Median, found.Most) (7.0, 7.0, 7.0) "all alike"

            testCase "of ratios are those of the pairs, not the ratio of medians"
            <| fun () ->
                let found = Quartiles.ofRatios [ 1.0; 20.0; 300.0 ] [ 2.0; 10.0; 100.0 ]
                Expect.equal (found.Least, found.Median, found.Most) (0.5, 2.0, 3.0) "pair by pair"
        ]

let private plan =
    testList
        "plan"
        [
            testCase "nothing named stands for everything, batches 1 and 8"
            <| fun () ->
                let found =
                    Outcome.ok (BenchRequest.create (BenchModel.Random "mini") [] [] [] [] 7 1 "cpu")

                Expect.equal
                    found.Parts
                    (BenchPart.Tower :: List.map BenchPart.Segmenter BenchRequest.modes)
                    "parts"

                Expect.equal found.Batches [ 1; 8 ] "batches"

                let fast =
                    if Processor.hasFastBf16 () then
                        [ Precision.Fp32; Precision.Bf16 ]
                    else
                        [ Precision.Fp32 ]

                Expect.equal found.Precisions fast "what the processor is fast in"

            testCase "modes are those of the segmenter"
            <| fun () ->
                let parts asked =
                    (Outcome.ok (request (BenchModel.Random "mini") asked [ Marginalisation.Nwgm ] [ 2; 2 ] 1))
                        .Parts

                Expect.equal (parts [ BenchScope.Tower ]) [ BenchPart.Tower ] "the tower alone has none"

                Expect.equal
                    (parts [ BenchScope.Segmenter ])
                    [ BenchPart.Segmenter Marginalisation.Nwgm ]
                    "the one that was named"

            testCase "all that is wrong is said at once"
            <| fun () ->
                let wrong precision =
                    BenchRequest.ofNames
                        (BenchModel.Random "mini")
                        [ "head" ]
                        [ "sideways" ]
                        [ precision ]
                        [ 0 ]
                        0
                        (Environment.ProcessorCount + 1)
                        "cpu"

                wrong "fp8"
                |> Outcome.refusedWith 2 [ "head"; "sideways"; "fp8"; "“batch” 0"; "“rounds” 0"; "“threads”" ]

                wrong "fp16" |> Outcome.refusedWith 2 [ "“precision” fp16"; "fp32, bf16" ]

            testCase
                "ONNX Runtime computes on the processor unless another device is named, where options are its provider's"
            <| fun () ->
                let asked =
                    Outcome.ok (BenchRequest.create (BenchModel.Random "mini") [] [] [] [] 7 1 "cpu")

                Expect.equal
                    asked.Reference
                    {
                        Device = "cpu"
                        Options = []
                        Graph = false
                    }
                    "where nothing is named"

                let found =
                    BenchRequest.against "cuda:1" [ "use_tf32=1"; "prefer_nhwc=0" ] true asked
                    |> Outcome.ok

                Expect.equal
                    found.Reference
                    {
                        Device = "cuda:1"
                        Options = [ "use_tf32", "1"; "prefer_nhwc", "0" ]
                        Graph = true
                    }
                    "as named"

                for option in [ "use_tf32"; "=1"; "a="; "a=b=c"; "" ] do
                    BenchRequest.against "cuda" [ option ] false asked
                    |> Outcome.refusedWith 2 [ $"“provider_option” {option}" ]

                for options, graph in [ [ "a=b" ], false; [], true ] do
                    BenchRequest.against "cpu" options graph asked
                    |> Outcome.refusedWith 2 [ "“onnx_device” cpu" ]

            testCase "names stand for what they name"
            <| fun () ->
                let named =
                    BenchRequest.ofNames
                        (BenchModel.Random "mini")
                        [ "segmenter" ]
                        [ "feature-mean" ]
                        [ "bf16" ]
                        [ 3 ]
                        2
                        1
                        "cpu"
                    |> Outcome.ok

                Expect.equal
                    (Ok named)
                    (BenchRequest.create
                        (BenchModel.Random "mini")
                        [ BenchScope.Segmenter ]
                        [ Marginalisation.FeatureMean ]
                        [ Precision.Bf16 ]
                        [ 3 ]
                        2
                        1
                        "cpu")
                    "the same request"
        ]

/// A contender that takes note of being asked.
let private noting (log: Collections.Generic.List<string>) name milliseconds : Contender =
    {
        Engine = BenchEngine.Mcdrl
        Device = "cpu"
        Precision = Precision.Fp32
        Run =
            fun () ->
                log.Add name
                Thread.Sleep(milliseconds: int)
        Answer = fun () -> [||]
        Free = ignore
    }

let private rounds =
    testList
        "rounds"
        [
            testCase "a number a round for each, and another one begins each round"
            <| fun () ->
                let log = Collections.Generic.List()

                let found =
                    BenchRounds.measure "two" 2 [ noting log "a" 30; noting log "b" 30 ] Progress.none
                    |> Outcome.ok

                Expect.equal (found |> List.map List.length) [ 2; 2 ] "rounds"
                // Two runs each to warm up and to see how long one takes.
                Expect.equal (List.ofSeq log |> List.skip 4) [ "a"; "b"; "b"; "a" ] "order"

                for time in List.concat found do
                    Expect.isGreaterThan time 29.0 "milliseconds"

            testCase "a short run is repeated, and its time is that of one"
            <| fun () ->
                let mutable runs = 0

                let short: Contender =
                    {
                        Engine = BenchEngine.Mcdrl
                        Device = "cpu"
                        Precision = Precision.Fp32
                        Run =
                            fun () ->
                                runs <- runs + 1
                                Thread.SpinWait 1000
                        Answer = fun () -> [||]
                        Free = ignore
                    }

                // On a busy machine the run that is looked at may be interrupted for longer than all of them should take.
                let rec measured attempts =
                    runs <- 0
                    let clock = Diagnostics.Stopwatch.StartNew()

                    let found =
                        BenchRounds.measure "one" 1 [ short ] Progress.none
                        |> Outcome.ok
                        |> List.exactlyOne
                        |> List.exactlyOne

                    // Two runs besides, to warm up and to see how long one takes.
                    match runs - 2 with
                    | 1 when attempts > 1 -> measured (attempts - 1)
                    | repetitions -> found, repetitions, clock

                let found, repetitions, clock = measured 50
                Expect.isGreaterThan repetitions 1 "repeated"

                Expect.isLessThanOrEqual
                    (found * float repetitions)
                    clock.Elapsed.TotalMilliseconds
                    "all of them took no longer than everything"

            testCase "stops between two runs"
            <| fun () ->
                use source = new CancellationTokenSource()

                BenchRounds.measure
                    "long"
                    1000
                    [ noting (Collections.Generic.List()) "a" 1 ]
                    {
                        Tell = fun _ -> source.Cancel()
                        Cancel = source.Token
                    }
                |> Outcome.refusedWith 130 []
        ]

let private run request = Bench.run request Progress.none

/// Works with a folder of its own for temporary files, in which nothing may stay behind.
let private leavingNoFile (work: unit -> 'a) : 'a =
    let variable = "TMPDIR"
    let before = Environment.GetEnvironmentVariable variable

    Folder.temporary (fun folder ->
        Environment.SetEnvironmentVariable(variable, folder)

        try
            let outcome = work ()
            Expect.isEmpty (Directory.GetFileSystemEntries folder) "temporary files"
            outcome
        finally
            Environment.SetEnvironmentVariable(variable, before))

let private whole =
    testList
        "whole"
        [
            testCase "both engines, each part, with ratios of the same rounds; no file stays behind"
            <| fun () ->
                let model = BenchModel.Folder(World.bundle ())

                let found =
                    leavingNoFile (fun () ->
                        request model [] [ Marginalisation.Attention; Marginalisation.Exact ] [ 2 ] 2
                        |> Result.bind run
                        |> Outcome.ok)

                Expect.equal
                    [ for result in found.Results -> result.Part, result.Mode, result.Engine ]
                    [
                        BenchScope.Tower, None, BenchEngine.Mcdrl
                        BenchScope.Tower, None, BenchEngine.Onnxruntime
                        BenchScope.Segmenter, Some Marginalisation.Exact, BenchEngine.Mcdrl
                        BenchScope.Segmenter, Some Marginalisation.Exact, BenchEngine.Onnxruntime
                        BenchScope.Segmenter, Some Marginalisation.Attention, BenchEngine.Mcdrl
                        BenchScope.Segmenter, Some Marginalisation.Attention, BenchEngine.Onnxruntime
                    ]
                    "what was timed"

                for result in found.Results do
                    let what = $"{result.Part} {result.Engine}"
                    Expect.isGreaterThan result.MedianMs 0.0 what
                    Expect.isLessThanOrEqual result.MinMs result.MedianMs what
                    Expect.isLessThanOrEqual result.MedianMs result.MaxMs what
                    Expect.isGreaterThan result.FirstMs 0.0 what
                    Expect.isLessThanOrEqual result.Difference (Bench.tolerance Precision.Fp32) what

                    Expect.floatClose
                        Accuracy.high
                        result.Gflops
                        (result.Gflop * 1000.0 / result.MedianMs)
                        "operations a second"

                    Expect.floatClose
                        Accuracy.high
                        result.PercentOfPeak
                        (100.0 * result.Gflops / found.Peaks.Head.Best)
                        "of peak"

                    if result.Engine = BenchEngine.Onnxruntime then
                        Expect.equal (result.RatioMin, result.RatioMax) (1.0, 1.0) "to itself"
                    else
                        Expect.isGreaterThan result.RatioMin 0.0 what

                    Expect.equal
                        result.MethodShare.IsSome
                        (result.Part = BenchScope.Segmenter && result.Engine = BenchEngine.Mcdrl)
                        "what our method adds"

                let gflop mode =
                    (found.Results |> List.find (fun result -> result.Mode = mode)).Gflop

                let attention = gflop (Some Marginalisation.Attention)
                Expect.isLessThan (gflop None) attention "counted"
                Expect.isLessThan attention (gflop (Some Marginalisation.Exact)) "counted"

                for result in found.Results do
                    let json = RecordJson.toObject result
                    let text (key: string) = string json[key]

                    Expect.contains
                        [
                            "tower", "", "fp32"
                            "segmenter", "exact", "fp32"
                            "segmenter", "attention", "fp32"
                        ]
                        (text "part", text "mode", text "precision")
                        "as they are named"

                    Expect.contains [ "mcdrl"; "onnxruntime" ] (text "engine") "as they are named"
                    Expect.equal (text "device") "cpu" "as they are named"

                Expect.isEmpty found.Placements "nothing is elsewhere than on the processor"

            testCase "random weights: any architecture, or the list of them"
            <| fun () ->
                let found =
                    request (BenchModel.Random "mini") [ BenchScope.Tower ] [] [ 1 ] 1
                    |> Result.bind run
                    |> Outcome.ok

                Expect.equal found.Results.Head.Tower "RN-1-3-32" "architecture"

                request (BenchModel.Random "ViT-XL") [ BenchScope.Tower ] [] [ 1 ] 1
                |> Result.bind run
                |> Outcome.refusedWith 2 [ "ViT-XL"; "ViT-L-14" ]

            testCase "stops when asked, and the number of torch threads is as before"
            <| fun () ->
                use source = new CancellationTokenSource()
                let threads = torch.get_num_threads ()
                let model = BenchModel.Folder(World.bundle ())

                let tell (progress: ProgressStep) =
                    if progress.Stage.Contains "batch" then
                        source.Cancel()

                leavingNoFile (fun () ->
                    request model [] [] [ 1 ] 1000
                    |> Result.bind (fun request -> Bench.run request { Tell = tell; Cancel = source.Token })
                    |> Outcome.refusedWith 130 [])

                Expect.equal (torch.get_num_threads ()) threads "threads"
        ]

let private placement =
    testList
        "placement"
        [
            testCase "of a profile: who computed how many operators of which kind"
            <| fun () ->
                let profile =
                    """[{"cat":"Session","name":"model_loading","args":{}},
                        {"cat":"Node","name":"a","args":{"op_name":"Conv","provider":"CUDAExecutionProvider"}},
                        {"cat":"Node","name":"b","args":{"op_name":"Shape","provider":"CPUExecutionProvider"}},
                        {"cat":"Node","name":"c","args":{"op_name":"Range","provider":"CPUExecutionProvider"}},
                        {"cat":"Node","name":"d","args":{"op_name":"Shape","provider":"CPUExecutionProvider"}},
                        {"cat":"Session","name":"model_run"}]"""

                use document = Text.Json.JsonDocument.Parse profile

                Expect.equal
                    (OnnxPlacement.ofProfile "exact" document.RootElement)
                    {
                        Part = "exact"
                        Operators = 4
                        OnProcessor = [ "Range", 1; "Shape", 2 ]
                    }
                    "counted"

            testCase "of a session on the processor all are there, and no file stays behind"
            <| fun () ->
                let folder = World.bundle ()

                leavingNoFile (fun () ->
                    use _scope = torch.NewDisposeScope()
                    let model = Outcome.ok (Bundle.load folder)

                    let content =
                        OnnxContender.export (fun path ->
                            OnnxExport.writeProbabilities path model Marginalisation.Exact)
                        |> Outcome.ok

                    let side = model.Manifest.Preprocessing.InputSize

                    let found =
                        OnnxPlacement.find
                            "exact"
                            (fun besides -> OnnxContender.load OnnxDevice.Cpu [] 1 besides content)
                            (fun session ->
                                use frames = SampleFrames.batch side 1
                                (OnnxContender.create OnnxDevice.Cpu session frames).Run())
                        |> Outcome.ok

                    Expect.isGreaterThan found.Operators 10 "a segmenter's"

                    Expect.equal (found.OnProcessor |> List.sumBy snd) found.Operators "on the processor")

                Expect.isEmpty
                    (Directory.GetFiles(Directory.GetCurrentDirectory(), "onnxruntime_profile*"))
                    "nor one where the program was started"
        ]

let private agreement =
    testCase "the distance of two answers is that of their vectors"
    <| fun () ->
        Expect.floatClose Accuracy.medium (Bench.difference [| 3.0f; 5.0f |] [| 3.0f; 4.0f |]) 0.2 "1 of 5"

let tests =
    testSequenced (testList "Bench" [ quartiles; plan; rounds; agreement; placement; whole ])
