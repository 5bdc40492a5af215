module Mcdrl.Tests.SegmentPartTests

open System.Collections.Concurrent
open System.IO
open System.Threading
open Expecto
open Mcdrl

/// A folder of frames, and a list of them, that parts are made of.
type PartWorld =
    {
        Root: string
        List: string
        Out: string
    }

/// Frames of 8 x 8 pixels, each of a colour of its own.
let writeFrame (path: string) (colour: int) =
    Directory.CreateDirectory(nonNull (Path.GetDirectoryName path)) |> ignore

    let pixel _ _ =
        byte colour, byte (colour * 7), byte (255 - colour)

    File.WriteAllBytes(path, Crafted.encode SkiaSharp.SKEncodedImageFormat.Png 100 8 8 pixel)

/// Frames `c1/0.png`, `c2/0.png`, `c1/1.png`, …, as many as said, and their list.
let within count (work: PartWorld -> 'a) : 'a =
    Folder.temporary (fun folder ->
        let world =
            {
                Root = Path.Combine(folder, "frames")
                List = Path.Combine(folder, "list.txt")
                Out = Path.Combine(folder, "out")
            }

        let paths = [ for index in 0 .. count - 1 -> $"c{index % 2 + 1}/{index / 2}.png" ]

        paths
        |> List.iteri (fun index path -> writeFrame (Path.Combine(world.Root, path)) index)

        File.WriteAllLines(world.List, paths)
        work world)

/// An engine that marks pixels of the picture's first colour, and tells of each picture that it is asked about.
let engineTelling (asked: byte -> unit) : Engine =
    let segment _ marking (picture: Picture) : Result<SegmentationResult, McdrlError> =
        let colour = picture.Rgb[0]
        asked colour

        let mask: LabelMap =
            {
                Width = 8
                Height = 8
                Labels = Array.init 64 (fun pixel -> if pixel % 64 < int colour then 1uy else 0uy)
            }

        let lesion =
            Array.init 64 (fun pixel -> if mask.Labels[pixel] = 1uy then 0.75f else 0.25f)

        Ok(FakeEngine.answerOf [ "polyp" ] marking mask 8 (FakeEngine.ofLesion lesion))

    FakeEngine.saying [ "polyp" ] segment

let engine = engineTelling ignore

let requestOf world count index : PartRequest =
    let part = Outcome.ok (Part.create count index)

    let survey =
        Outcome.ok (SegmentPart.survey Part.whole world.List world.Root world.Out Progress.none)

    {
        List = world.List
        Root = world.Root
        Out = world.Out
        Part = part
        Segment = SegmentFiles.standard
        Plan =
            {
                Release = "0"
                List = world.List
                ListSha256 = Outcome.ok (Files.sha256 world.List)
                Images = survey.Images
                Parts = count
                ModelSha256 = "m"
                Mode = None
                Threshold = None
                MinArea = 0L
                Explain = false
                Probabilities = false
                Precision = None
                Flips = None
            }
    }

let private runWith engine told progress (request: PartRequest) =
    SegmentPart.run (fun () -> Ok engine) request 0L told progress

/// Does a part of a world's list.
let run request =
    Outcome.ok (runWith engine (fun _ _ -> ()) Progress.none request)

let private lines world index =
    File.ReadAllLines(PartFiles.lines world.Out index)

let private journals world = PartFiles.journals world.Out 0

let tests =
    testList
        "SegmentPart"
        [
            testCase
                "results lie as the images do, lines have the list's order and paths, and no path of the machine"
            <| fun () ->
                within 6 (fun world ->
                    let found = run (requestOf world 1 0)
                    Expect.equal (found.Images, found.Failed, found.Reused) (6L, 0L, 0L) "all"
                    let lines = lines world 0

                    for path, line in Array.zip (File.ReadAllLines world.List) lines do
                        Expect.isTrue (PartLine.isAnswer path line) path
                        Expect.stringContains line $"\"image\":\"{path}\"" "as the list has it"
                        Expect.isFalse (line.Contains world.Root) "no path of the machine"
                        let target = Path.Combine(world.Out, path.Replace(".png", ""))

                        for ending in [ ".mask.png"; ".overlay.png"; ".json" ] do
                            Expect.isTrue (File.Exists(target + ending)) (target + ending)

                    let report = File.ReadAllText(Path.Combine(world.Out, "c2", "0.json"))
                    Expect.isFalse (report.Contains world.Root) "no path of the machine"
                    Expect.isEmpty (journals world) "nothing is left over")

            testCase "the parts' files and lines are the whole's, byte for byte"
            <| fun () ->
                within 20 (fun world ->
                    let whole =
                        { world with
                            Out = world.Out + "-whole"
                        }

                    run (requestOf whole 1 0) |> ignore
                    let parts = [ for index in 0..4 -> run (requestOf world 5 index) ]
                    Expect.equal (parts |> List.sumBy _.Images) 20L "each once"

                    let linesOf world count =
                        [ for index in 0 .. count - 1 -> lines world index ]
                        |> Array.concat
                        |> Array.sort

                    Expect.equal (linesOf world 5) (linesOf whole 1) "lines"

                    for path in Directory.GetFiles(whole.Out, "*.*", SearchOption.AllDirectories) do
                        let name = Path.GetRelativePath(whole.Out, path)

                        if name.StartsWith "c" then
                            Expect.equal
                                (File.ReadAllBytes(Path.Combine(world.Out, name)))
                                (File.ReadAllBytes path)
                                name)

            testCase
                "a bad image and one that is missing are told in their lines, and don't keep the part from being done"
            <| fun () ->
                within 4 (fun world ->
                    File.WriteAllText(Path.Combine(world.Root, "c1", "0.png"), "no image")
                    File.Delete(Path.Combine(world.Root, "c2", "1.png"))
                    let told = ConcurrentBag()

                    let found =
                        Outcome.ok (
                            runWith engine (fun path _ -> told.Add path) Progress.none (requestOf world 1 0)
                        )

                    Expect.equal (found.Images, found.Failed) (4L, 2L) "both are told"
                    Expect.equal (Seq.sort told |> List.ofSeq) [ "c1/0.png"; "c2/1.png" ] "by their paths"

                    for path, line in Array.zip (File.ReadAllLines world.List) (lines world 0) do
                        let isBad = path = "c1/0.png" || path = "c2/1.png"
                        Expect.equal (PartLine.isAnswer path line) (not isBad) line
                        Expect.isFalse (line.Contains world.Root) "no path of the machine"

                    // Done is done, also of what failed.
                    run (requestOf world 1 0) |> ignore

                    SegmentPart.run
                        (fun () -> failtest "an engine is loaded for a part that is done")
                        (requestOf world 1 0)
                        4L
                        (fun _ _ -> ())
                        Progress.none
                    |> Outcome.ok
                    |> fun again -> Expect.equal again found "as it was")

            testCase
                "stopped, it keeps what is done; what is whole then is not done again, and what isn't, is"
            <| fun () ->
                within 30 (fun world ->
                    use stop = new CancellationTokenSource()
                    let asked = ConcurrentBag<byte>()

                    let stopping =
                        engineTelling (fun colour ->
                            asked.Add colour

                            if asked.Count = 10 then
                                stop.Cancel())

                    let stopped =
                        runWith stopping (fun _ _ -> ()) (Progress.until stop.Token) (requestOf world 1 0)

                    Expect.equal (Result.map ignore stopped) (Error McdrlError.Cancelled) "stopped"
                    Expect.isFalse (File.Exists(PartFiles.isDone world.Out 0)) "not done"
                    let journal = List.exactlyOne (journals world)
                    let kept = File.ReadAllLines journal
                    Expect.isGreaterThan kept.Length 0 "something is kept"

                    // Half a line, as of a process that was killed while it wrote.
                    File.AppendAllText(journal, "{\"path\":\"c1/")
                    // Of those that are kept: another image now, and a mask that is gone.
                    writeFrame (Path.Combine(world.Root, "c1", "0.png")) 99
                    File.Delete(Path.Combine(world.Out, "c2", "0.mask.png"))

                    let again = ConcurrentBag<byte>()

                    let found =
                        Outcome.ok (
                            runWith
                                (engineTelling again.Add)
                                (fun _ _ -> ())
                                Progress.none
                                (requestOf world 1 0)
                        )

                    Expect.equal (int found.Reused) (kept.Length - 2) "what is whole"
                    Expect.equal again.Count (30 - int found.Reused) "and no other was computed again"
                    Expect.contains again 99uy "the other image"
                    Expect.contains again 1uy "the mask that was gone"
                    Expect.isEmpty (journals world) "nothing is left over"

                    let fresh =
                        { world with
                            Out = world.Out + "-fresh"
                        }

                    run (requestOf fresh 1 0) |> ignore
                    Expect.equal (lines world 0) (lines fresh 0) "as if it had never been stopped")

            testCase
                "where results can't be written the part ends unfinished, for it is no image's fault, and goes on later"
            <| fun () ->
                within 6 (fun world ->
                    Directory.CreateDirectory world.Out |> ignore
                    let inTheWay = Path.Combine(world.Out, "c2")
                    File.WriteAllText(inTheWay, "")

                    runWith engine (fun _ _ -> ()) Progress.none (requestOf world 1 0)
                    |> Outcome.refusedWith 5 [ inTheWay ]

                    Expect.isFalse (File.Exists(PartFiles.isDone world.Out 0)) "not done"
                    File.Delete inTheWay
                    let found = run (requestOf world 1 0)
                    Expect.equal (found.Images, found.Failed) (6L, 0L) "done"
                    Expect.isGreaterThan found.Reused 0L "what was whole is kept")

            testCase "lines of a part whose .done is gone are used again"
            <| fun () ->
                within 6 (fun world ->
                    run (requestOf world 1 0) |> ignore
                    File.Delete(PartFiles.isDone world.Out 0)
                    Expect.equal (run (requestOf world 1 0)).Reused 6L "all")

            testCase
                "another plan in the same folder, a root that is missing, an output folder that holds the images"
            <| fun () ->
                within 4 (fun world ->
                    run (requestOf world 2 0) |> ignore

                    let refuse request =
                        runWith engine (fun _ _ -> ()) Progress.none request

                    refuse (requestOf world 3 0)
                    |> Outcome.refusedWith 2 [ world.Out; "parts (2 there, 3 here)" ]

                    refuse
                        { requestOf world 2 1 with
                            Root = world.Root + "-none"
                        }
                    |> Outcome.refusedWith 2 [ world.Root + "-none"; "“root”" ]

                    refuse (requestOf { world with Out = world.Root } 2 1)
                    |> Outcome.refusedWith 2 [ "images are read from" ]

                    SegmentPart.survey
                        Part.whole
                        world.List
                        world.Root
                        (Path.Combine(world.Root, "c2"))
                        Progress.none
                    |> Outcome.refusedWith 4 [ "list.txt, line 2"; "c2/0.png" ]

                    SegmentPart.survey
                        Part.whole
                        world.List
                        world.Root
                        (Path.Combine(world.Root, "marked"))
                        Progress.none
                    |> Outcome.ok
                    |> ignore)

            testCase "two that are begun at once: one works, and both say the same"
            <| fun () ->
                within 8 (fun world ->
                    let asked = ConcurrentBag<byte>()
                    use together = new Barrier 2
                    let found = Array.create<PartDone option> 2 None

                    let twins =
                        [|
                            for twin in 0..1 ->
                                Thread(fun () ->
                                    together.SignalAndWait() |> ignore

                                    found[twin] <-
                                        runWith
                                            (engineTelling asked.Add)
                                            (fun _ _ -> ())
                                            Progress.none
                                            (requestOf world 1 0)
                                        |> Result.toOption)
                        |]

                    for twin in twins do
                        twin.Start()

                    for twin in twins do
                        twin.Join()

                    Expect.equal asked.Count 8 "each image once"
                    Expect.isSome found[0] "done"
                    Expect.equal found[0] found[1] "the same")

            testCase "while another process has the part, it waits; stopped meanwhile, it is cancelled"
            <| fun () ->
                within 2 (fun world ->
                    let request = requestOf world 1 0
                    let watch = LeaseWatch Lease.standard
                    let lease = PartFiles.lease world.Out 0

                    use _held =
                        match Outcome.ok (Lease.tryTake watch lease) with
                        | Ok held -> held
                        | Error _ -> failtest "it was free"

                    use stop = new CancellationTokenSource()
                    let said = ConcurrentBag<string>()

                    let progress =
                        { Progress.until stop.Token with
                            Tell =
                                fun step ->
                                    said.Add step.Stage
                                    stop.Cancel()
                        }

                    Expect.equal
                        (runWith engine (fun _ _ -> ()) progress request |> Result.map ignore)
                        (Error McdrlError.Cancelled)
                        "cancelled"

                    Expect.exists said (fun line -> line.Contains "part 0 of 1") "it says for what it waits")

            testCase "a list that changes meanwhile makes no part"
            <| fun () ->
                within 4 (fun world ->
                    let request = requestOf world 1 0
                    let add = lazy File.AppendAllText(world.List, "c1/9.png\n")

                    runWith (engineTelling (fun _ -> add.Force())) (fun _ _ -> ()) Progress.none request
                    |> Outcome.refusedWith 4 [ world.List; "changed" ]

                    Expect.isFalse (File.Exists(PartFiles.isDone world.Out 0)) "not done")
        ]
