module Mcdrl.Tests.SegmentFilesTests

open System.IO
open System.Threading
open Expecto
open Mcdrl

let inFolder (work: string -> string -> unit) =
    Folder.temporary (fun folder ->
        let input = Path.Combine(folder, "in")
        World.copyTree (Path.Combine(World.data (), "c", "images")) input
        work input (Path.Combine(folder, "out")))

let names (targets: SegmentTarget list) =
    targets |> List.map (fun target -> Path.GetFileName target.Input)

let private run targets =
    use engine = Segmenter.engine (World.segmenter ())
    let outcomes = ResizeArray()
    let keep target outcome = outcomes.Add((target, outcome))

    Outcome.ok (SegmentFiles.run engine SegmentFiles.standard targets keep Progress.none)

    outcomes.ToArray()

/// A picture as an animation of two frames.
let private animated (picture: Picture) =
    let png = Images.png picture
    let control = Crafted.chunk "acTL" [| 0uy; 0uy; 0uy; 2uy; 0uy; 0uy; 0uy; 0uy |]
    Array.concat [ png[..32]; control; png[33..] ]

let private runs =
    testList
        "runs"
        [
            testCase "a bad file among good ones is reported, the rest is done"
            <| fun () ->
                inFolder (fun input out ->
                    let bad = Path.Combine(input, "frame2.png")
                    File.WriteAllBytes(bad, (File.ReadAllBytes bad)[..99])
                    let results = run (Outcome.ok (SegmentFiles.plan [ input ] out))

                    Expect.equal
                        (names (List.map fst (List.ofArray results)))
                        [ for number in 0..5 -> $"frame{number}.png" ]
                        "a result each, in order"

                    for target, outcome in results do
                        if target.Input = bad then
                            Outcome.refusedWith 4 [ bad ] outcome

                            for path in [ target.Mask; target.Overlay; target.Report ] do
                                Expect.isFalse (File.Exists path) "nothing for it"
                        else
                            Expect.isOk outcome target.Input

                            for path in [ target.Mask; target.Overlay; target.Report ] do
                                Expect.isTrue (File.Exists path) path)

            testCase "mask and report are what the segmenter says"
            <| fun () ->
                inFolder (fun input out ->
                    let target =
                        (Outcome.ok (SegmentFiles.plan [ Path.Combine(input, "frame1.png") ] out)).Head

                    let report: ImageReport = run [ target ] |> Array.head |> snd |> Outcome.ok
                    use engine = Segmenter.engine (World.segmenter ())
                    let picture = Outcome.ok (Images.read ImageLimits.standard target.Input)
                    let found = Outcome.ok (Engine.segment engine None Marking.standard picture)
                    let mask = Outcome.ok (Masks.read ImageLimits.standard target.Mask)
                    Expect.equal mask found.Mask "the mask as stored"
                    let marked = mask.Labels |> Array.sumBy int64
                    let polyp = report.Classes.Head
                    Expect.equal (polyp.Name, polyp.Label) ("polyp", 1) "class"
                    Expect.isGreaterThan marked 0L "something is marked"
                    Expect.equal polyp.Area marked "area"
                    Expect.equal (polyp.Regions |> List.sumBy _.Area) marked "regions"
                    Expect.floatClose Accuracy.high polyp.Share (float marked / 1920.0) "share"
                    Expect.equal (report.Width, report.Height) (48, 40) "size"
                    Expect.equal report.Notice Product.notice "notice"

                    let written =
                        RecordJson.parse<ImageReport> target.Report (File.ReadAllText target.Report)

                    Expect.equal written (Ok report) "the file holds the report")

            testCase "an animation: its first frame, and how many it has"
            <| fun () ->
                inFolder (fun input out ->
                    let still = Path.Combine(input, "frame1.png")
                    let picture = Outcome.ok (Images.read ImageLimits.standard still)
                    let moving = Path.Combine(input, "moving.png")
                    File.WriteAllBytes(moving, animated picture)
                    let targets = Outcome.ok (SegmentFiles.plan [ still; moving ] out)

                    match run targets |> Array.map (snd >> Outcome.ok) with
                    | [| one; first |] ->
                        Expect.equal (one.Pictures, first.Pictures) (1, 2) "counted"
                        Expect.equal first.Classes one.Classes "the same picture"
                    | other -> failtest $"{other.Length} reports")

            testCase
                "probabilities beside the masks, in the orientation of the file; scores and marking in the report"
            <| fun () ->
                inFolder (fun input out ->
                    let target =
                        (Outcome.ok (SegmentFiles.plan [ Path.Combine(input, "frame1.png") ] out)).Head

                    use engine = Segmenter.engine (World.segmenter ())
                    let marking = Outcome.ok (Marking.create (Some 0.3) 5L)
                    let outcomes = ResizeArray()

                    SegmentFiles.run
                        engine
                        { SegmentFiles.standard with
                            Marking = marking
                            Probabilities = true
                        }
                        [ target ]
                        (fun _ outcome -> outcomes.Add outcome)
                        Progress.none
                    |> Outcome.ok

                    let report: ImageReport = Outcome.ok outcomes[0]
                    let picture = Outcome.ok (Images.read ImageLimits.standard target.Input)
                    let found = Outcome.ok (Engine.segment engine None marking picture)
                    Expect.equal (report.Threshold, report.MinArea) (Some 0.3, 5L) "how it was marked"
                    Expect.equal report.Probability (Some "frame1.probability.png") "named"
                    Expect.isNone report.Classes.Head.Probability "one class: P(lesion) says it all"
                    let expected = Path.Combine(out, "expected.png")
                    Outcome.ok (ProbabilityMaps.write expected (SegmentationResult.lesionProbability found))

                    Expect.equal
                        (File.ReadAllBytes target.Probability)
                        (File.ReadAllBytes expected)
                        "P(lesion) of every pixel"

                    let told = (SegmentationResult.findings found).Head
                    Expect.equal report.Classes.Head.Score told.Score "score of the class"

                    for region, told in List.zip report.Classes.Head.Regions told.Regions do
                        Expect.equal
                            (region.MeanProbability, region.MaxProbability)
                            (told.MeanProbability, told.MaxProbability)
                            "of the region")

            testCase
                "of a frame that is stored turned, mask and report have the file's rows and columns, and say so"
            <| fun () ->
                inFolder (fun input out ->
                    let turned = Path.Combine(input, "turned.jpg")
                    File.WriteAllBytes(turned, Crafted.withOrientation 6 (Crafted.jpeg 40 24))
                    let target = (Outcome.ok (SegmentFiles.plan [ turned ] out)).Head
                    use engine = Segmenter.engine (World.segmenter ())
                    let outcomes = ResizeArray()

                    SegmentFiles.run
                        engine
                        SegmentFiles.standard
                        [ target ]
                        (fun _ outcome -> outcomes.Add outcome)
                        Progress.none
                    |> Outcome.ok

                    let report: ImageReport = Outcome.ok outcomes[0]
                    Expect.equal report.Orientation Orientation.RightTop "told"
                    Expect.equal (report.Width, report.Height) (40, 24) "as the file has them"
                    let mask = Outcome.ok (Masks.read ImageLimits.standard target.Mask)
                    Expect.equal (mask.Width, mask.Height) (40, 24) "the mask too"
                    let overlay = Outcome.ok (Images.header ImageLimits.standard target.Overlay)
                    Expect.isLessThan overlay.Width overlay.Height "the overlay is upright")

            testCase "several classes: a file of each, by its value in the mask"
            <| fun () ->
                inFolder (fun input out ->
                    use engine = Segmenter.engine (World.segmenter ())

                    // Half of P(polyp) goes to a second class.
                    let divided (found: SegmentationResult) =
                        let pixels = found.Side * found.Side
                        let background, polyp = Array.splitAt pixels found.Probabilities
                        let half = polyp |> Array.map (fun value -> value / 2.0f)

                        { found with
                            Classes = [ "polyp"; "cyst" ]
                            Probabilities = Array.concat [ background; half; half ]
                        }

                    use two =
                        { engine with
                            Classes = [ "polyp"; "cyst" ]
                            Segment =
                                fun mode marking picture ->
                                    engine.Segment mode marking picture |> Result.map divided
                        }

                    let target =
                        (Outcome.ok (SegmentFiles.plan [ Path.Combine(input, "frame1.png") ] out)).Head

                    let outcomes = ResizeArray()

                    SegmentFiles.run
                        two
                        { SegmentFiles.standard with
                            Probabilities = true
                        }
                        [ target ]
                        (fun _ outcome -> outcomes.Add outcome)
                        Progress.none
                    |> Outcome.ok

                    let report: ImageReport = Outcome.ok outcomes[0]

                    Expect.equal
                        (report.Classes |> List.map _.Probability)
                        [ for label in 1..2 -> Some $"frame1.probability.{label}.png" ]
                        "named"

                    for file in
                        Option.toList report.Probability
                        @ (report.Classes |> List.choose (fun (found: ClassReport) -> found.Probability)) do
                        let image = Outcome.ok (Images.read ImageLimits.standard (Path.Combine(out, file)))
                        Expect.equal (image.Width, image.Height) (World.width, World.height) file)

            testCase "an image on which the engine fails is that image's error, and the rest is done"
            <| fun () ->
                inFolder (fun input out ->
                    use engine = Segmenter.engine (World.segmenter ())
                    let mutable asked = 0

                    let failing =
                        { engine with
                            Segment =
                                fun mode marking picture ->
                                    if Interlocked.Increment &asked = 3 then
                                        raise (System.OutOfMemoryException())

                                    engine.Segment mode marking picture
                        }

                    let outcomes = ResizeArray()

                    SegmentFiles.run
                        failing
                        SegmentFiles.standard
                        (Outcome.ok (SegmentFiles.plan [ input ] out))
                        (fun target outcome -> outcomes.Add(target, outcome))
                        Progress.none
                    |> Outcome.ok

                    match outcomes |> Seq.filter (snd >> Result.isError) |> List.ofSeq with
                    | [ target, outcome ] ->
                        Outcome.refusedWith 5 [ target.Input; "not enough memory" ] outcome
                        Expect.isFalse (File.Exists target.Mask) "no mask"
                    | other -> failtest $"{other.Length} failed"

                    Expect.hasLength (Directory.GetFiles out) 15 "five images, three files each")

            testCase "the longest names that fit are done, one byte more is refused before it is read"
            <| fun () ->
                inFolder (fun input out ->
                    let limit = NameLimit.inFolder input
                    let fits = String.replicate (limit - ".overlay.png".Length) "f"
                    let long = fits + "f"
                    let at name = Path.Combine(input, name + ".png")
                    File.Copy(at "frame1", at fits)
                    File.WriteAllText(at long, "no image, which nobody notices")

                    match run (Outcome.ok (SegmentFiles.plan [ at fits; at long ] out)) with
                    | [| _, Ok _; _, refused |] ->
                        Outcome.refusedWith 2 [ long; $"{limit + 1} bytes"; $"takes {limit}" ] refused
                    | other -> failtest $"%A{other}"

                    Expect.hasLength (Directory.GetFiles out) 3 "of the one that fits")

            testCase "a mask whose overlay or report can't be written is taken back"
            <| fun () ->
                for blocked in [ "frame1.overlay.png"; "frame1.json" ] do
                    inFolder (fun input out ->
                        Directory.CreateDirectory(Path.Combine(out, blocked)) |> ignore
                        let one = Path.Combine(input, "frame1.png")

                        match run (Outcome.ok (SegmentFiles.plan [ one ] out)) with
                        | [| _, refused |] -> Outcome.refusedWith 2 [ blocked ] refused
                        | other -> failtest $"%A{other}"

                        Expect.isEmpty (Directory.GetFiles out) "nothing is left")

            testCase "results whose folder was removed meanwhile are missed at the end"
            <| fun () ->
                inFolder (fun input out ->
                    use engine = Segmenter.engine (World.segmenter ())
                    let mutable removed = false

                    let finished _ _ =
                        if not removed then
                            removed <- true
                            Directory.Move(out, out + ".elsewhere")

                    SegmentFiles.run
                        engine
                        SegmentFiles.standard
                        (Outcome.ok (SegmentFiles.plan [ input ] out))
                        finished
                        Progress.none
                    |> Outcome.refusedWith 5 [ out; "are gone" ])

            testCase "a cancelled run is cancelled"
            <| fun () ->
                inFolder (fun input out ->
                    use engine = Segmenter.engine (World.segmenter ())
                    let targets = Outcome.ok (SegmentFiles.plan [ input ] out)

                    let outcome =
                        SegmentFiles.run
                            engine
                            SegmentFiles.standard
                            targets
                            (fun _ _ -> ())
                            (Progress.until (CancellationToken true))

                    Expect.equal outcome (Error McdrlError.Cancelled) "cancelled")

            testCase "a run that is cancelled midway leaves whole results and no temporary file"
            <| fun () ->
                inFolder (fun input out ->
                    use engine = Segmenter.engine (World.segmenter ())
                    use stop = new CancellationTokenSource()
                    let frame = Path.Combine(input, "frame0.png")

                    for number in 10..99 do
                        File.Copy(frame, Path.Combine(input, $"more{number}.png"))

                    let handedOn = ResizeArray()

                    let finished (target: SegmentTarget) outcome =
                        Outcome.ok outcome |> ignore
                        handedOn.Add target
                        stop.Cancel()

                    let outcome =
                        SegmentFiles.run
                            engine
                            SegmentFiles.standard
                            (Outcome.ok (SegmentFiles.plan [ input ] out))
                            finished
                            (Progress.until stop.Token)

                    Expect.equal outcome (Error McdrlError.Cancelled) "cancelled"

                    Expect.isLessThanOrEqual
                        handedOn.Count
                        (5 * System.Environment.ProcessorCount)
                        "with those under way"

                    let expected =
                        [
                            for target in handedOn do
                                target.Mask
                                target.Overlay
                                target.Report
                        ]

                    Expect.equal
                        (Directory.GetFiles out |> Array.sort |> List.ofArray)
                        (List.sort expected)
                        "what was handed on, and nothing else")

            testCase "what a caller's own function throws comes out as it is, and leaves whole files alone"
            <| fun () ->
                inFolder (fun input out ->
                    use engine = Segmenter.engine (World.segmenter ())
                    let targets = Outcome.ok (SegmentFiles.plan [ input ] out)

                    let thrown () =
                        raise (System.InvalidTimeZoneException())

                    for finished, tell in
                        [
                            (fun _ _ -> thrown ()), ignore
                            (fun _ _ -> ()),
                            (fun (step: ProgressStep) ->
                                if step.Done = 2 then
                                    thrown ())
                        ] do
                        Expect.throwsT<System.InvalidTimeZoneException>
                            (fun () ->
                                SegmentFiles.run
                                    engine
                                    SegmentFiles.standard
                                    targets
                                    finished
                                    { Progress.none with Tell = tell }
                                |> ignore)
                            "as it is"

                        for path in Directory.GetFiles out do
                            Expect.isFalse ((Path.GetFileName path |> nonNull).StartsWith '.') path

                        for path in Directory.GetFiles(out, "*.mask.png") do
                            Outcome.ok (Masks.read ImageLimits.standard path) |> ignore

                    let outcomes = run targets
                    Expect.all outcomes (snd >> Result.isOk) "and all is done the next time")
        ]

let tests = testSequenced (testList "SegmentFiles" [ runs ])
