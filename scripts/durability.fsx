// What is left when Mcdrl is killed, when the disk is full, when two work in one folder, and after very many images: on a world so small
// that each run takes seconds. Prints a table; exit code 1 if anything was broken.
//
//   dotnet fsi scripts/durability.fsx [KILLS] [IMAGES] [SEED]     200 kills, 100,000 images, seed 1; 0 leaves a part out
#load "load.fsx"

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Text.Json
open System.Threading
open Mcdrl

[<DllImport("libc", EntryPoint = "kill")>]
extern int signal(int processId, int number)

let kills, images, seed =
    match fsi.CommandLineArgs |> Array.skip 1 |> Array.map int |> List.ofArray with
    | [] -> 200, 100_000, 1
    | [ kills ] -> kills, 100_000, 1
    | [ kills; images ] -> kills, images, 1
    | kills :: images :: seed :: _ -> kills, images, seed

let random = Random seed
let mutable faults = 0

let broken (what: string) =
    faults <- faults + 1
    printfn $"BROKEN: {what}"

let world = Directory.CreateTempSubdirectory("mcdrl-durability-").FullName
let at name = Path.Combine(world, name)

let program =
    Path.Combine(
        __SOURCE_DIRECTORY__,
        "..",
        "Mcdrl.Cli",
        "bin",
        "Release",
        "net10.0",
        "linux-x64",
        "mcdrl.dll"
    )
    |> Path.GetFullPath

let begun (arguments: string list) =
    let info =
        ProcessStartInfo(
            "dotnet",
            program :: arguments,
            WorkingDirectory = world,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    info.Environment["OMP_NUM_THREADS"] <- "1"
    let child = Process.Start info

    let out, err =
        child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync()

    child, (fun () -> out.Result + err.Result)

/// Exit code, all that was said, and seconds.
let ended arguments =
    let clock = Stopwatch.StartNew()
    let child, said = begun arguments
    use child = child
    child.WaitForExit()
    child.ExitCode, said (), clock.Elapsed.TotalSeconds

let well arguments =
    match ended arguments with
    | 0, _, seconds -> seconds
    | code, said, _ ->
        let line = String.concat " " arguments
        failwith $"mcdrl {line} ended with {code}:\n{said}"

let words (line: string) = line.Split ' ' |> List.ofArray

let small =
    words
        "--set method.input_size=32 --set method.layers=1 --set method.head_width=8 --set optimiser.epochs=2 --set optimiser.activation_epoch=0 --set optimiser.batch_size=4"

/// With a checkpoint after every step.
let training out =
    words $"train --data data --leave-out p3 --weights clip --out {out} --checkpoint-minutes 0"
    @ small

let experimenting =
    words "experiment table1 --data data --weights clip --methods baseline,mcdrl --seeds 1 --out experiment"
    @ small

let segmenting =
    words "segment data/p3/images --model run/model --probabilities --out"

let exporting = words "export onnx --model run/model --out"

let makeWorld () =
    [
        words "phantom --out data --sites 3 --images 6 --side 48"
        words
            "pretrain --out clip --steps 2 --frames 48 --set width=8 --set blocks=[1,1] --set input_size=32 --set batch_size=4 --set text_layers=1"
        training "run"
    ]
    |> List.iter (well >> ignore)

let temporaries folder =
    if Directory.Exists(at folder) then
        Directory.GetFiles(at folder, ".mcdrl-*.tmp", SearchOption.AllDirectories)
    else
        [||]

/// Whether a file is what it says it is, from its first byte to its last.
let isWhole (path: string) =
    match Path.GetExtension path with
    | ".safetensors" ->
        Safetensors.read path
        |> Result.map ignore
        |> Result.mapError McdrlError.describe
    | ".json" ->
        try
            use _document = JsonDocument.Parse(File.ReadAllText path)
            Ok()
        with :? JsonException as problem ->
            Error problem.Message
    | ".png" when path.EndsWith ".mask.png" ->
        Masks.read ImageLimits.standard path
        |> Result.map ignore
        |> Result.mapError McdrlError.describe
    | ".png" ->
        Images.read ImageLimits.standard path
        |> Result.map ignore
        |> Result.mapError McdrlError.describe
    | ".onnx" ->
        OnnxEngine.load path 1
        |> Result.map (fun engine -> (engine :> IDisposable).Dispose())
        |> Result.mapError McdrlError.describe
    | _ -> Ok()

/// What must hold of the folder of a run in which a bundle may lie. The manifest is written last, and vouches for the rest.
let bundleOf (folder: string) =
    let model = Path.Combine(folder, "model")

    if File.Exists(Path.Combine(model, "mcdrl.json")) then
        Segmenter.load model "cpu"
        |> Result.map (fun segmenter -> (segmenter :> IDisposable).Dispose())
        |> Result.mapError McdrlError.describe
    else
        Ok()

let orBroken what outcome =
    match outcome with
    | Ok() -> ()
    | Error why -> broken $"{what}: {why}"

type Kind =
    {
        Name: string
        /// What is killed, and the folder that it writes to.
        Arguments: string list
        Folder: string
        /// The file by whose bytes old and new are told, if there is one.
        Product: string option
        /// What is done again before each start.
        Prepare: unit -> unit
        /// What is asked of the next run, which must end well.
        Again: string list
    }

let removed folder =
    if Directory.Exists(at folder) then
        Directory.Delete(at folder, true)

let kinds =
    [
        {
            Name = "checkpoint"
            Arguments = training "killed" @ [ "--resume" ]
            Folder = "killed"
            Product = Some "killed/checkpoint.safetensors"
            Prepare =
                fun () ->
                    // A run that is done has nothing left to kill.
                    if Directory.Exists(at "killed/model") then
                        removed "killed"
            Again = training "killed" @ [ "--resume" ]
        }
        {
            Name = "bundle"
            Arguments = training "tuned"
            Folder = "tuned"
            Product = Some "tuned/model/mcdrl.json"
            Prepare = fun () -> removed "tuned"
            Again = training "tuned" @ [ "--resume" ]
        }
        {
            Name = "segment"
            Arguments = segmenting @ [ "masks" ]
            Folder = "masks"
            Product = None
            Prepare = ignore
            Again = segmenting @ [ "masks" ]
        }
        {
            Name = "export"
            Arguments = exporting @ [ "exported/m.onnx" ]
            Folder = "exported"
            Product = Some "exported/m.onnx"
            Prepare = ignore
            Again = exporting @ [ "exported/m.onnx" ]
        }
        {
            Name = "experiment"
            Arguments = experimenting
            Folder = "experiment"
            Product = None
            Prepare =
                fun () ->
                    // Now and then from the beginning.
                    if random.Next 4 = 0 then
                        removed "experiment"
            Again = experimenting
        }
    ]

/// Of the product; of all files where there are several.
let digest kind =
    let files =
        match kind.Product with
        | Some path -> [| at path |]
        | None when Directory.Exists(at kind.Folder) ->
            Directory.GetFiles(at kind.Folder, "*", SearchOption.AllDirectories)
        | None -> [||]

    [
        for path in Array.sort files do
            if File.Exists path && not (Path.GetFileName(path).StartsWith '.') then
                path, Files.sha256 path
    ]

/// Kills at a random moment of a run, in half of the cases just after a temporary file is there: while it is written, flushed or renamed.
let killed kind (usual: float) =
    kind.Prepare()
    let before = digest kind
    let child, said = begun kind.Arguments
    use child = child

    if random.Next 2 = 0 then
        Thread.Sleep(int (random.NextDouble() * usual * 1000.0))
    else
        let skipped = random.Next 6
        let seen = Collections.Generic.HashSet<string>()

        while seen.Count <= skipped && not child.HasExited do
            for path in temporaries kind.Folder do
                seen.Add path |> ignore

        Thread.SpinWait(random.Next 400_000)

    let isRunning = not child.HasExited
    signal (child.Id, 9) |> ignore
    child.WaitForExit()
    said () |> ignore
    let left = (temporaries kind.Folder).Length

    let wrong =
        if Directory.Exists(at kind.Folder) then
            [
                for path in Directory.GetFiles(at kind.Folder, "*", SearchOption.AllDirectories) do
                    if not (Path.GetFileName(path).StartsWith ".mcdrl-") then
                        match isWhole path with
                        | Ok() -> ()
                        | Error why -> $"{Path.GetRelativePath(world, path)}: {why}"

                for folder in
                    at kind.Folder
                    :: List.ofArray (
                        Directory.GetDirectories(at kind.Folder, "*", SearchOption.AllDirectories)
                    ) do
                    match bundleOf folder with
                    | Ok() -> ()
                    | Error why -> $"{Path.GetRelativePath(world, folder)}/model: {why}"
            ]
        else
            []

    for complaint in wrong do
        broken $"{kind.Name} killed: {complaint}"

    let after = digest kind

    isRunning,
    left > 0,
    (if wrong.IsEmpty then
         (if after = before then "old" else "new")
     else
         "broken")

let killAll () =
    printfn ""
    printfn "| killed | kills | amid writing | old | new | broken | the next run |"
    printfn "|---|---|---|---|---|---|---|"

    for kind in kinds do
        kind.Prepare()

        let usual =
            well (
                if kind.Name = "checkpoint" then
                    training "killed"
                else
                    kind.Arguments
            )

        kind.Prepare()

        let outcomes = [ for _ in 1 .. kills / kinds.Length -> killed kind usual ]

        for left in temporaries kind.Folder do
            File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddHours -2.0)

        let next, said, _ = ended kind.Again

        if next <> 0 then
            broken $"after the kills {kind.Name} ends with {next}: {said}"

        let forgotten = (temporaries kind.Folder).Length

        let count state =
            outcomes |> List.filter (fun (_, _, found) -> found = state) |> List.length

        let amid = outcomes |> List.filter (fun (_, left, _) -> left) |> List.length

        printfn
            $"""| {kind.Name} | {outcomes.Length} | {amid} | {count "old"} | {count "new"} | {count "broken"} | exit {next}, {forgotten} temporary files left |"""

/// One megabyte to write to, for as long as `work` runs.
let withFullDisk work =
    let mount = at "disk"
    Directory.CreateDirectory mount |> ignore

    let run name (arguments: string list) =
        use child =
            Process.Start(ProcessStartInfo((name: string), arguments, RedirectStandardError = true))

        child.WaitForExit()
        child.ExitCode = 0

    if run "mount" [ "-t"; "tmpfs"; "-o"; "size=1m"; "tmpfs"; mount ] then
        try
            work mount
        finally
            run "umount" [ mount ] |> ignore
    else
        printfn "A full disk: skipped, nobody may mount a file system here."

let fullDisk () =
    withFullDisk (fun mount ->
        for name, arguments in
            [
                "train", training "disk/run"
                "segment", segmenting @ [ "disk/masks" ]
                "export", exporting @ [ "disk/m.onnx" ]
            ] do
            for entry in Directory.GetFileSystemEntries mount do
                if Directory.Exists entry then
                    Directory.Delete(entry, true)
                else
                    File.Delete entry

            // So little that the first product no longer fits.
            File.WriteAllBytes(Path.Combine(mount, "filler"), Array.zeroCreate (1_048_576 - 24 * 1024))
            let code, said, _ = ended arguments
            let left = (temporaries "disk").Length
            let line = said.Trim().Split('\n') |> Array.last
            printfn $"A full disk: {name} ends with {code}, {left} temporary files left: {line}"

            if not (List.contains code [ 1; 5 ]) || left > 0 then
                broken $"{name} on a full disk"

            for path in Directory.GetFiles(mount, "*", SearchOption.AllDirectories) do
                if Path.GetFileName path <> "filler" then
                    isWhole path |> orBroken path)

let together () =
    removed "shared"
    let first, firstSaid = begun (training "shared")

    while not (File.Exists(at "shared/run.lease.1")) && not first.HasExited do
        Thread.Sleep 5

    let second, secondSaid, _ = ended (training "shared")
    first.WaitForExit()
    printfn $"Two trainers on one folder: the first ends with {first.ExitCode}, the second with {second}."

    if first.ExitCode <> 0 || second = 0 then
        broken $"two trainers: {firstSaid ()}{secondSaid}"

    bundleOf (at "shared") |> orBroken "two trainers"

    removed "both"

    let children = [ for _ in 1..2 -> begun (segmenting @ [ "both" ]) ]

    for child, said in children do
        child.WaitForExit()

        if child.ExitCode <> 0 then
            broken $"two segmenters: {said ()}"

    for path in Directory.GetFiles(at "both") do
        isWhole path |> orBroken $"two segmenters: {path}"

    printfn
        $"""Two segmenters on one folder: both end with 0, {(Directory.GetFiles(at "both")).Length} whole files, {(temporaries "both").Length} temporary."""

/// Bytes that the process holds, and its open descriptors.
let held () =
    use here = Process.GetCurrentProcess()
    GC.Collect()
    float here.WorkingSet64, (Directory.GetFiles "/proc/self/fd").Length

/// The slope of the line of least squares.
let slope (points: (float * float) list) =
    let x, y = points |> List.averageBy fst, points |> List.averageBy snd

    (points |> List.sumBy (fun (a, b) -> (a - x) * (b - y)))
    / (points |> List.sumBy (fun (a, _) -> (a - x) * (a - x)))

let manyImages () =
    let paths = Directory.GetFiles(at "data/p3/images")

    let get outcome =
        outcome |> Result.defaultWith (McdrlError.describe >> failwith)

    for name, engine in
        [
            "libtorch", Segmenter.engine (get (Segmenter.load (at "run/model") "cpu"))
            "ONNX Runtime",
            (well (exporting @ [ "many.onnx" ]) |> ignore

             OnnxEngine.engine (get (OnnxEngine.load (at "many.onnx") 1)))
        ] do
        use engine = engine
        let count = images / 2
        let points = Collections.Generic.List<float * float * float>()
        let clock = Stopwatch.StartNew()
        use source = new CancellationTokenSource()

        let work (path: string) =
            Interruption.during source.Token (fun () ->
                Images.read ImageLimits.standard path
                |> Result.bind (Engine.segment engine None Marking.standard)
                |> Result.isOk)

        let mutable number = 0

        let finished _ isOk =
            if not isOk then
                broken "an image"

            number <- number + 1

            if number % max 1 (count / 40) = 0 then
                let memory, handles = held ()
                points.Add(float number, memory, float handles)

        Engine.inOrder
            engine
            ""
            work
            finished
            (Array.init count (fun index -> paths[index % paths.Length]))
            (Progress.until source.Token)
        |> get

        // After a quarter everything is as large as it gets.
        let settled = points |> List.ofSeq |> List.skip (points.Count / 4)
        let memory = settled |> List.map (fun (x, y, _) -> x, y) |> slope
        let handles = settled |> List.map (fun (x, _, y) -> x, y) |> slope
        let _, first, firstHandles = settled.Head
        let _, last, lastHandles = List.last settled

        printfn
            $"{count} images by {name}, {clock.Elapsed.TotalSeconds:F0} s: {first / 1e6:F0} to {last / 1e6:F0} MB, {memory:F2} bytes an image; {firstHandles} to {lastHandles} handles, {handles * 1000.0:F4} per 1000 images"

        // What the collector and the allocator keep at hand comes and goes by some megabytes.
        if memory * float count > 0.05 * first || handles * float count > 10.0 then
            broken $"{name}: memory or handles grow"

try
    makeWorld ()

    if kills > 0 then
        killAll ()
        printfn ""
        fullDisk ()
        together ()

    if images > 0 then
        manyImages ()
finally
    Directory.Delete(world, true)

if faults > 0 then
    printfn $"{faults} faults"
    exit 1
