/// No word leaves the machine, and nothing about it is written down. (`dotnet fsi build.fsx test` runs the other suites that way too.)
module Mcdrl.Cli.Tests.QuietTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Cli.Tests.Processes
open Mcdrl.Tests

/// Variables by which a library may find out that it had better be quiet.
let private loud =
    [
        "CI"
        "TF_BUILD"
        "GITHUB_ACTIONS"
        "XDG_CACHE_HOME"
        "XDG_CONFIG_HOME"
        "XDG_DATA_HOME"
        "DOTNET_CLI_TELEMETRY_OPTOUT"
        "ORT_DISABLE_TELEMETRY"
        "ORT_TELEMETRY_DISABLED"
        "ORT_RUNNING_UNIT_TESTS"
    ]

/// What a user who has just got the program sees: no home yet, and nothing that would keep a library from reporting.
let private atNewHome (home: string) (info: ProcessStartInfo) =
    info.Environment["HOME"] <- home

    for variable in loud do
        info.Environment.Remove variable |> ignore

    info

/// Runs a program where there is no network, and writes down what the system counted there before and after: every packet, and
/// every attempt to send one.
let private script =
    """cat /proc/net/snmp > "$COUNTS.before"; "$@"; code=$?; cat /proc/net/snmp > "$COUNTS.after"; exit $code"""

let private withoutNetwork (counts: string) (info: ProcessStartInfo) =
    let inside =
        ProcessStartInfo(
            "unshare",
            [
                yield! [ "--map-current-user"; "--net"; "sh"; "-c"; script; "sh" ]
                info.FileName
                yield! info.ArgumentList
            ],
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    inside.Environment.Clear()

    for pair in info.Environment do
        inside.Environment[pair.Key] <- pair.Value

    inside.Environment["COUNTS"] <- counts
    inside

let private isSilent counts =
    File.ReadAllText(counts + ".before") = File.ReadAllText(counts + ".after")

let private program name arguments =
    ProcessStartInfo((name: string), (arguments: string list))

/// Skips the test where no process may have a network of its own, or where what is said there isn't counted.
let private requireNamespaces folder =
    let counts = Path.Combine(folder, "probe")

    try
        let speaking =
            "exec 3<>/dev/udp/192.0.2.1/9" // RFC 5737: nobody's address
            |> fun speak -> [ "-c"; $"{speak}; true" ]
            |> program "bash"
            |> withoutNetwork counts
            |> ended

        if speaking.Code <> 0 then
            skiptest $"no network namespaces here: {speaking.Err.Trim()}"
    with :? ComponentModel.Win32Exception as problem ->
        skiptest $"no network namespaces here: {problem.Message}"

    Expect.isFalse (isSilent counts) "a word that is said is counted"

/// Runs a program, which must end well, in silence and without a trace in its home.
let private quietly folder what (info: ProcessStartInfo) =
    let home = Path.Combine(folder, "home")
    Directory.CreateDirectory home |> ignore
    let counts = Path.Combine(folder, "counts")
    let outcome = info |> atNewHome home |> withoutNetwork counts |> ended
    Expect.equal outcome.Code 0 $"{what}: {outcome.Err}"
    Expect.isTrue (isSilent counts) $"{what} says something to the network"

    Expect.isEmpty
        (Directory.GetFileSystemEntries(home, "*", SearchOption.AllDirectories))
        $"{what} writes to the user's home"

let private sample =
    let target =
        Path.GetRelativePath(
            Path.Combine(Repository.root, "tests", "Mcdrl.Cli.Tests"),
            AppContext.BaseDirectory
        )

    Path.Combine(Repository.root, "samples", "SegmentFolder", target, "SegmentFolder.dll")

let tests =
    testSequenced (
        testList
            "quiet"
            [
                test "no verb says a word to the network or writes to the user's home" {
                    Folder.temporary (fun folder ->
                        requireNamespaces folder
                        let inside name = Path.Combine(folder, name)
                        let images = Path.Combine(World.data (), "c", "images")
                        let onnx = inside "model.onnx"
                        let model = World.bundle ()

                        for arguments in
                            [
                                [ "doctor" ]
                                [ "segment"; images; "--model"; model; "--out"; inside "torch" ]
                                [ "export"; "onnx"; "--model"; model; "--out"; onnx ]
                                [ "segment"; images; "--onnx"; onnx; "--out"; inside "onnx" ]
                                [ "evaluate"; "--model"; model; "--data"; World.data (); "--site"; "c" ]
                                [ "data"; "check"; World.data () ]
                                [
                                    yield!
                                        [
                                            "bench"
                                            "--model"
                                            model
                                            "--mode"
                                            "attention"
                                            "--precision"
                                            "fp32"
                                        ]
                                    yield! [ "--batch"; "1"; "--rounds"; "1"; "--threads"; "1" ]
                                ]
                            ] do
                            quietly folder (String.concat " " arguments) (infoOf arguments)

                        let segment out =
                            [ "segment"; images; "--onnx"; onnx; "--out"; inside out ]
                            |> infoOfProgram (Path.Combine(slim, "mcdrl.dll"))

                        segment "slim" |> quietly folder "the command without libtorch"
                        let library = inside "library"
                        Directory.CreateDirectory library |> ignore
                        Provider.writeRuntime library
                        let other = segment "other"
                        other.Environment[OnnxLibrary.FolderVariable] <- library
                        other |> quietly folder "another ONNX Runtime")
                }

                test "a C# application says no word to the network and writes nothing to the user's home" {
                    if not (File.Exists sample) then
                        skiptest "samples/SegmentFolder is not built"

                    Folder.temporary (fun folder ->
                        requireNamespaces folder

                        [
                            World.bundle ()
                            Path.Combine(World.data (), "c", "images")
                            Path.Combine(folder, "out")
                        ]
                        |> infoOfProgram sample
                        |> quietly folder "SegmentFolder")
                }
            ]
    )
