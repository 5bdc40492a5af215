// Builds, tests and shows Mcdrl. `dotnet fsi build.fsx` lists the targets; each does its own set-up.
// (`dotnet fsi build.fsx --help` never reaches this script: the SDK takes it and prints the help of F# Interactive.)
#load "scripts/build/Processes.fsx" "scripts/build/Building.fsx" "scripts/build/Debian.fsx" "scripts/build/Slurm.fsx" "scripts/build/Cluster.fsx" "scripts/build/Supply.fsx" "scripts/build/Watching.fsx" "scripts/build/Testing.fsx" "scripts/build/Fuzzing.fsx" "scripts/build/Coverage.fsx" "scripts/build/Packing.fsx" "scripts/build/Reference.fsx"

open System
open System.IO
open Processes
open Building
open Supply
open Testing
open Fuzzing
open Coverage
open Packing
open Reference

/// Not part of the tests: what it finds depends on the machine and on what else runs there.
let bench () =
    build ()

    run
        "dotnet"
        [
            "run"
            "--no-build"
            "-c"
            "Release"
            "--project"
            "tests/Mcdrl.Benchmarks"
            "--"
            "--filter"
            "*"
        ]

let demo () =
    build ()
    run (Path.Combine(root, "bin", "mcdrl")) [ "demo"; "--out"; "out/demo" ]

/// What an earlier study with the same arguments finished is kept.
let study () =
    build ()
    run (Path.Combine(root, "bin", "mcdrl")) [ "study"; "--out"; "out/study"; "--replace" ]

/// Replaces models/mini; half an hour on two cores.
let pretrain () =
    build ()
    run (Path.Combine(root, "bin", "mcdrl")) [ "pretrain"; "--out"; "models/mini"; "--seed"; "1" ]

/// The package of ResNet-18 weights, in a folder of its own.
let resnet18 = "Microsoft.ML.DnnImageFeaturizer.ResNet18", "0.23.1"

/// ResNet-18 weights as safetensors, out of their package.
let tower (out: string) =
    let name, version = resnet18
    let fetch = Path.Combine(root, "out", "embedded", "fetch")
    Directory.CreateDirectory fetch |> ignore

    File.WriteAllText(
        Path.Combine(fetch, "fetch.csproj"),
        $"""<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageDownload Include="{name}" Version="[{version}]" /></ItemGroup>
</Project>"""
    )

    quietly "Fetch" "dotnet" [ "restore"; fetch; "--packages"; Path.Combine(fetch, "packages") ]
    let package = Path.Combine(fetch, "packages", name.ToLowerInvariant(), version)
    run "dotnet" [ "fsi"; Path.Combine(root, "scripts", "resnet18.fsx"); package; out ]

/// Replaces models/polyp, which answers when no model is named: trained at 288 px, and on from there at 352 and at 448. What an earlier
/// call trained is gone on with.
let embedded (data: string) (text: string) =
    build ()
    let mcdrl = run (Path.Combine(root, "bin", "mcdrl"))

    let weights, small, medium, large =
        "out/embedded/resnet18", "out/embedded/run-288", "out/embedded/run-352", "out/embedded/run-448"

    if not (Directory.Exists(Path.Combine(root, weights))) then
        tower weights

    let train (start: string list) (out: string) (settings: string list) =
        mcdrl
            [
                "train"
                "--data"
                data
                "--leave-out"
                "c6"
                yield! start
                if Directory.Exists text then "--text-weights" else "--text"
                text
                "--store"
                "f16"
                "--seed"
                "1"
                "--out"
                out
                if File.Exists(Path.Combine(root, out, "run.json")) then
                    "--resume"
                for setting in settings do
                    "--set"
                    setting
            ]

    train
        [ "--weights"; weights; "--preset"; "best" ]
        small
        [
            "method.input_size=288"
            "loss.dice_smoothing=null"
            "method.layers=2"
            "method.min_area=0.002"
            "method.refinements=2"
            "optimiser.trained_blocks=4"
            "optimiser.tower_factor=0.2"
            "optimiser.tower_precision=bf16"
            "optimiser.epochs=16"
            "optimiser.averaging=0.995"
            "augmentation.colour_exchange=0.5"
            "augmentation.scale=0.6"
        ]

    let trainOn before out side settings =
        train
            [ "--from"; Path.Combine(before, "model") ]
            out
            ([
                $"method.input_size={side}"
                "optimiser.epochs=10"
                "optimiser.learning_rate=0.0007"
             ]
             @ settings)

    trainOn small medium 352 []
    trainOn medium large 448 [ "loss.dice_smoothing=0.003" ]

    mcdrl [ "card"; "--model"; large; "--data"; data; "--about"; "models/about-polyp.md" ]

    remove "models/polyp"
    Directory.Move(Path.Combine(root, large, "model"), Path.Combine(root, "models", "polyp"))

/// The command that knows ONNX Runtime alone, without symbols.
let slim () =
    build ()
    remove "out/slim"

    quietly
        "Slim"
        "dotnet"
        ([
            "publish"
            "Mcdrl.Cli.Onnx"
            "-c"
            "Release"
            "-o"
            "out/slim"
            "-p:NoBuild=true"
            "-p:DebugType=none"
            "-p:PublishDocumentationFile=false"
            "-p:PublishReferencesDocumentationFiles=false"
            "-p:AllowedReferenceRelatedFileExtensions=none"
            "-nologo"
            "-tl:off"
         ]
         @ alone)

    let files = Directory.GetFiles(Path.Combine(root, "out", "slim"))
    copyNotices (Path.Combine(root, "out", "slim"))
    writeBill "out/slim"
    let size = files |> Array.sumBy (fun path -> FileInfo(path).Length)

    printfn
        $"out/slim/mcdrl segments with --onnx, without libtorch: {float size / 1e6:F0} MB in {files.Length} files."

/// Locked restore, the packages' bytes, their licences and known vulnerabilities.
let supply () =
    restore ()
    let tally = checkSupply ()
    writeBill "out/packages"

    if tally.Failed > 0 then
        exit 1

/// Not part of the tests: a quarter of an hour and more.
let durability () =
    build ()
    run "dotnet" [ "fsi"; Path.Combine(root, "scripts", "durability.fsx") ]

let clean () =
    for folder in [ "bin"; "out" ] do
        remove folder

    for project in Directory.GetFiles(root, "*.??proj", SearchOption.AllDirectories) do
        for folder in [ "bin"; "obj" ] do
            remove (Path.Combine(Path.GetDirectoryName project, folder))

let targets =
    [
        "build", "restore and compile everything, and make the command bin/mcdrl", build
        "test",
        "build, check the format and the scripts, and run all tests; of files, rooms or test projects that are named: only theirs",
        test
        "test-portable",
        "build and run all tests with an older processor's kernels, then with two threads on a busy machine",
        testPortable
        "test-cluster",
        "build, and do parts of a list and of an experiment through Slurm (Debian's, unpacked, on loopback), controller and node killed in the middle",
        testCluster
        "coverage",
        "build apart, run all tests, and count the lines and branches of each room that they reach (a quarter of an hour)",
        coverage
        "bench", "build and time the parts of a segmentation; `bin/mcdrl bench` times the whole", bench
        "demo",
        "build, segment frames of a hospital that the model has never seen, and show them on a page",
        demo
        "study",
        "build, train on four simulated hospitals, judge on a fifth, and write a page about it",
        study
        "pretrain",
        "build, and make models/mini anew: a small CLIP, trained on rendered frames (half an hour)",
        pretrain
        "reference",
        "build, and make out/reference: pages of everything public, in F# and C#, whose links are checked",
        reference
        "pack",
        "build the NuGet packages: of the C# API, of what it stands on, of training, and the command without libtorch as a tool",
        pack
        "durability",
        "build, then kill it 200 times, fill its disk, let two work in one folder, and segment 100,000 images",
        durability
        "supply",
        "check the packages' bytes and licences, ask for known vulnerabilities, write the bill of materials; --record takes the lock as it is",
        supply
        "slim", "build the command without libtorch, for `segment --onnx` alone", slim
        "format", "format the sources", format
        "clean", "delete all that the other targets made", clean
    ]

/// A number on the command line.
let (|Number|_|) (text: string) =
    match
        Double.TryParse(text, Globalization.NumberStyles.Float, Globalization.CultureInfo.InvariantCulture)
    with
    | true, value when Double.IsFinite value -> Some value
    | _ -> None

let help =
    [
        "Usage: dotnet fsi build.fsx <target>"
        ""
        for name, description, _ in targets do
            $"  {name, -15}{description}"
        "  fuzz           feed the readers of strangers' files what afl++ makes up (installs it): fuzz [--minutes N] [--target NAME]"
        "  embedded       build, and make models/polyp anew, the model that answers when none is named (an hour or more on two"
        "                 cores): embedded --data POLYPGEN --text TABLE-OR-SENTENCE-ENCODER"
    ]
    |> String.concat "\n"

match List.ofArray (Array.skip 1 fsi.CommandLineArgs) with
| []
| [ "--help" ]
| [ "help" ] -> printfn $"{help}"
| [ name ] when targets |> List.exists (fun (target, _, _) -> target = name) ->
    for target, _, action in targets do
        if target = name then
            action ()
| "test" :: asked -> testOnly asked
| [ "supply"; "--record" ] ->
    restore ()
    recordSupply ()
| [ "pack"; "--built"; folder ] -> packBuilt folder
| "fuzz" :: asked ->
    let rec options minutes target rest =
        match rest with
        | [] -> fuzz minutes target
        | "--minutes" :: (Number number) :: rest when number > 0.0 -> options number target rest
        | "--target" :: name :: rest -> options minutes (Some name) rest
        | _ ->
            eprintfn "Usage: dotnet fsi build.fsx fuzz [--minutes N] [--target NAME]"
            exit 2

    options 1.0 None asked
| [ "embedded"; "--data"; data; "--text"; text ] -> embedded data text
| "embedded" :: _ ->
    eprintfn "Usage: dotnet fsi build.fsx embedded --data POLYPGEN --text TABLE-OR-SENTENCE-ENCODER"
    exit 2
| other ->
    let line = String.concat " " other
    eprintfn $"Unknown target: {line}\n\n{help}"
    exit 2
