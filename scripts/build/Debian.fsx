// Programs that tests speak to, as packages of Debian. Loaded by build.fsx.
#load "Processes.fsx"

open System
open System.ComponentModel
open System.Diagnostics
open System.Threading.Tasks
open Processes

/// What tests need; those whose program is absent say that they are skipped.
let private packages =
    [
        "ffmpeg"
        "chromium"
        "dcmtk"
        "python3-pydicom"
        "python3-tifffile"
        "python3-pil"
        "python3-yaml"
        "parallel"
        "libfaketime"
    ]

let private isInstalled package =
    let code, output =
        capture "dpkg-query" [ "-W"; "-f"; "${db:Status-Status}"; package ]

    code = 0 && output = "installed"

let private aptGet arguments =
    let asRoot =
        if Environment.UserName = "root" then
            []
        else
            [ "sudo"; "-n" ]

    let line =
        asRoot
        @ [ "env"; "DEBIAN_FRONTEND=noninteractive"; "apt-get" ]
        @ [ "-q"; "-y"; "-o"; "DPkg::Lock::Timeout=120" ]
        @ arguments

    capture line.Head line.Tail

/// The lists of packages are old or missing where the first try fails.
let private install missing =
    let wanted = "install" :: "--no-install-recommends" :: missing

    match aptGet wanted with
    | 0, output -> 0, output
    | _ ->
        aptGet [ "update" ] |> ignore
        aptGet wanted

let private need () =
    let clock = Stopwatch.StartNew()

    try
        match packages |> List.filter (isInstalled >> not) with
        | [] -> ()
        | missing ->
            let names = String.concat ", " missing

            match install missing with
            | 0, _ -> Console.Out.WriteLine $"Debian's {names}: {clock.Elapsed.TotalSeconds:F0} s"
            | _, output ->
                let last = output.TrimEnd().Split '\n' |> Array.last

                Console.Out.WriteLine
                    $"Debian's {names}: not installed, so tests that need them are skipped: {last}"
    with :? Win32Exception as error ->
        Console.Out.WriteLine
            $"Debian's packages: none, so tests that need them may be skipped: {error.Message}"

/// Installs what is missing while other work is done, and is back when both are.
let withPackages (work: unit -> unit) =
    let installation = Task.Run need
    work ()
    installation.Wait()

/// Unpacks packages into a folder, with those that they need and that this machine lacks. Nothing of the machine is changed, and no
/// service is started. Says why where they can't be had.
let unpack (names: string list) (folder: string) : Result<unit, string> =
    let inFolder (line: string) =
        capture "sh" [ "-c"; $"mkdir -p \"$1\" && cd \"$1\" && {line}"; "sh"; folder ]

    let listed = String.concat " " names

    // Those that are installed are not among what would be installed.
    let needed () =
        match capture "apt-get" ([ "-y"; "--no-install-recommends"; "--print-uris"; "install" ] @ names) with
        | 0, output ->
            [
                for line in output.Split '\n' do
                    if line.StartsWith '\'' then
                        (line.Split(' ')[1]).Split('_')[0]
            ]
        | _ -> []

    let fetch () =
        let all = names @ needed () |> List.distinct |> String.concat " "
        inFolder $"apt-get -q download {all} && for package in *.deb; do dpkg -x \"$package\" .; done"

    try
        match fetch () with
        | 0, _ -> Ok()
        | _ ->
            aptGet [ "update" ] |> ignore

            match fetch () with
            | 0, _ -> Ok()
            | _, output -> Error $"{listed}: {output.TrimEnd().Split('\n') |> Array.last}"
    with :? Win32Exception as error ->
        Error $"{listed}: {error.Message}"
