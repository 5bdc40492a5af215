/// A service on a free port of this machine, with an engine that takes no model.
module Mcdrl.Tests.Served

open System
open System.IO
open System.Net.Http
open System.Text.Json
open System.Threading
open Expecto
open SkiaSharp
open Mcdrl

/// S of the engine's maps.
let side = 16

/// P(polyp) of every picture: a disc in the middle that fades outwards, 0.5 at a quarter of the side from its centre.
let probabilities =
    let lesion =
        Array.init (side * side) (fun cell ->
            let x, y = float (cell % side) + 0.5, float (cell / side) + 0.5
            let far = sqrt ((x - 8.0) ** 2.0 + (y - 8.0) ** 2.0)
            float32 (Math.Clamp(1.0 - far / 8.0, 0.0, 1.0)))

    Array.append (Array.map (fun value -> 1.0f - value) lesion) lesion

let private answer mode marking (picture: Picture) : SegmentationResult =
    let map = Marking.labels marking picture.Height picture.Width side probabilities

    { FakeEngine.answerOf [ "polyp" ] marking map side probabilities with
        Mask = LabelMap.inFile picture.Orientation map
        Mode = Option.defaultValue Marginalisation.Exact mode
        Orientation = picture.Orientation
        Influence = [ "blur", 0.2; "blood", 0.1 ]
        Disagreement = Some 0.05
    }

let private explanation mode marking picture : ExplanationResult =
    let answer = answer mode marking picture
    let map = answer.Upright

    let values share : ValueMap =
        {
            Width = map.Width
            Height = map.Height
            Values = Array.create map.Labels.Length share
        }

    let half =
        { map with
            Labels =
                map.Labels
                |> Array.mapi (fun pixel label -> if pixel % map.Width < map.Width / 2 then label else 0uy)
        }

    {
        Segmentation = answer
        Active = true
        Conditions =
            [
                for name, influence in answer.Influence ->
                    {
                        Condition = name
                        Weight = 0.5
                        Influence = influence
                        Mask = half
                        Dice = 0.66
                        Changed = 10L
                    }
            ]
        MutualInformation = values 0.1f
        GeometricDisagreement = values 0.1f
        Strongest =
            { map with
                Labels = Array.create map.Labels.Length 1uy
            }
        StrongestInfluence = values 0.2f
        Unstable = 10L
        Gap =
            {
                MeanTotalVariation = 0.1
                MaxTotalVariation = 0.2
                Dice = 0.9
                Flips = 3L
                FlipMap = half
                Mask = map
            }
        Regions =
            {
                Selected =
                    {
                        Width = 4
                        Height = 4
                        Labels = Array.init 16 (fun cell -> byte (cell % 2))
                    }
                Similarity =
                    [
                        {
                            Width = 4
                            Height = 4
                            Values = Array.init 16 (fun cell -> float32 cell / 16.0f)
                        }
                    ]
            }
    }

let engine: Engine =
    { FakeEngine.saying [ "polyp" ] (fun mode marking picture -> Ok(answer mode marking picture)) with
        Explain = Some(fun mode marking picture -> Ok(explanation mode marking picture))
    }

let model: ServedModel =
    {
        Name = "disc"
        Platform = "test"
        Mode = Marginalisation.Exact
        Modes = [ Marginalisation.Exact; Marginalisation.Nwgm ]
        Conditions = [ "blur"; "blood" ]
        InputSize = side
        Engine = engine
    }

let settings: ServeSettings =
    { ServeSettings.standard with
        Port = 0
        AtOnce = 2
    }

/// Serves while `use'` works with the address.
let at settings model (use': Uri -> 'a) : 'a =
    use stop = new CancellationTokenSource()
    use started = new ManualResetEventSlim()
    let address = ref ""

    let running =
        System.Threading.Tasks.Task.Run(fun () ->
            Service.run
                settings
                model
                (fun found ->
                    address.Value <- found
                    started.Set())
                stop.Token)

    let found =
        try
            if not (started.Wait 30_000) then
                failtest "the service does not begin"

            use' (Uri address.Value)
        finally
            stop.Cancel()
            running.Wait()

    Outcome.ok running.Result
    found

/// Serves while a client of it works.
let within settings model (work: HttpClient -> 'a) : 'a =
    at settings model (fun address ->
        use client =
            new HttpClient(BaseAddress = address, Timeout = TimeSpan.FromSeconds 60.0)

        work client)

let bytesOf (response: HttpResponseMessage) =
    response.Content.ReadAsByteArrayAsync().Result

let textOf (response: HttpResponseMessage) =
    response.Content.ReadAsStringAsync().Result

let jsonOf response =
    JsonDocument.Parse(textOf response).RootElement

let post (client: HttpClient) (path: string) (body: byte[]) =
    client.PostAsync(path, new ByteArrayContent(body)).Result

/// The refusal that an answer is: its status, and its first fault.
let refusalOf (response: HttpResponseMessage) =
    let kind =
        response.Content.Headers.ContentType |> Option.ofObj |> Option.map _.MediaType

    Expect.equal kind (Some Problem.contentType) "the form of a refusal"

    let problem =
        Outcome.ok (RecordJson.parse<ProblemReport> "problem" (textOf response))

    Expect.equal problem.Status (int response.StatusCode) "it tells its status"
    let fault = List.head problem.Errors
    Expect.all [ fault.What; fault.Where; fault.Fix ] (fun text -> text <> "") "what, where and what to do"
    problem.Status, fault

/// A frame of 96 x 64 pixels.
let frame =
    Crafted.encode SKEncodedImageFormat.Png 100 96 64 (fun x y -> byte (100 + x), byte (40 + y), 30uy)

/// `frame` and more of it in a folder, `count` images and their truth.
let folder count (use': string -> unit) =
    Folder.temporary (fun folder ->
        for kind in [ "images"; "masks" ] do
            Directory.CreateDirectory(Path.Combine(folder, kind)) |> ignore

        let picture = Outcome.ok (Images.decode ImageLimits.standard "frame" frame)
        let found = answer None Marking.standard picture

        for number in 1..count do
            File.WriteAllBytes(Path.Combine(folder, "images", $"frame{number}.png"), frame)
            File.WriteAllBytes(Path.Combine(folder, "masks", $"frame{number}.png"), Masks.png found.Mask)

        use' folder)
