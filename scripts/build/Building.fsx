// From sources to the command, formatted as they should be. Loaded by build.fsx.
#load "Processes.fsx"

open System
open System.Diagnostics
open System.IO
open Processes

let writeLauncher () =
    let path = Path.Combine(root, "bin", "mcdrl")
    Directory.CreateDirectory(Path.Combine(root, "bin")) |> ignore

    File.WriteAllText(
        path,
        String.concat
            "\n"
            [
                "#!/bin/sh"
                "here=$(dirname \"$(readlink -f \"$0\")\")"
                "built=\"$here/../Mcdrl.Cli/bin/Release/net10.0/linux-x64\""
                "app=\"$here/app\""
                "# Machine code of an older build is not run."
                "for part in \"$built\"/mcdrl.dll \"$built\"/Mcdrl.*.dll; do"
                "    compiled=\"$here/app/${part##*/}\""
                "    [ -f \"$compiled\" ] && [ ! \"$compiled\" -ot \"$part\" ] || app=\"$built\""
                "done"
                "exec dotnet \"$app/mcdrl.dll\" \"$@\""
                ""
            ]
    )

    File.SetUnixFileMode(path, enum<UnixFileMode> 0o755)

/// bin/app: the command as machine code, which starts in two thirds of the time. The compiler for that is a package of the
/// SDK; where it can't be had, bin/mcdrl runs what was built.
let compileAhead () =
    let clock = Stopwatch.StartNew()

    let code, _ =
        capture
            "dotnet"
            ([
                "publish"
                "Mcdrl.Cli"
                "-c"
                "Release"
                "-o"
                "bin/app"
                "-p:NoBuild=true"
                "-p:PublishReadyToRun=true"
                "-p:CreateHardLinksForPublishFilesIfPossible=true"
                "-nologo"
                "-tl:off"
             ]
             @ alone)

    if code = 0 then
        printfn $"Machine code: {clock.Elapsed.TotalSeconds:F0} s"
    else
        remove "bin/app"

        printfn
            "Machine code: none, the SDK's compiler for it is not there; bin/mcdrl starts a little slower."

/// All that tests run, of packages that are restored; the command is there, as it was compiled.
let compile () =
    quietly "Build" "dotnet" (compiling "Mcdrl.sln" "Release")
    writeLauncher ()

let build () =
    restore ()
    compile ()
    compileAhead ()
    printfn "The command is bin/mcdrl."

/// The rooms, each after those that it stands on.
let libraries =
    [
        "Mcdrl.Core"
        "Mcdrl.Onnx"
        "Mcdrl.Phantom"
        "Mcdrl.Dicom"
        "Mcdrl.Video"
        "Mcdrl.Model"
        "Mcdrl.Torch"
        "Mcdrl.Training"
        "Mcdrl.Lab"
    ]

let fsharp =
    [
        "build.fsx"
        "scripts"
        "Mcdrl.Model.fs"
        yield! libraries
        "Mcdrl.Serve"
        "Mcdrl.Cli"
        "Mcdrl.Cli.Onnx"
        "tests"
    ]

/// What of the C# sources' format the compiler leaves out: ends of lines and files. For the rest see .editorconfig.
let csharpFormat = [ "format"; "whitespace"; "."; "--folder" ]

let format () =
    restore ()
    run "dotnet" ("fantomas" :: fsharp)
    run "dotnet" csharpFormat
