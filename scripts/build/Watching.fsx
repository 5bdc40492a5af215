// Runs tests where nobody hears them, and tells what they say to the network and leave in the home all the same. Loaded by build.fsx.
#load "Processes.fsx"

open System
open System.IO
open Processes

/// What gives a program a network of its own, from which nobody is reached; none where that is not permitted.
let private isolation =
    lazy
        ([ [ "--net" ]; [ "--map-current-user"; "--net" ] ]
         |> List.tryFind (fun flags ->
             try
                 fst (capture "unshare" (flags @ [ "true" ])) = 0
             with :? ComponentModel.Win32Exception ->
                 false))

/// Runs the tests at an empty home and without a network, and writes down what the system counted there before and after: every
/// packet, and every attempt to send one.
let private watching =
    """counts=$1; home=$2; shift 2; cat /proc/net/snmp > "$counts/before"; HOME=$home "$@"; code=$?; cat /proc/net/snmp > "$counts/after"; exit $code"""

/// What the SDK's own tools, which some tests start, keep in a home.
let private ofSdk = [ ".dotnet/"; ".nuget/"; ".local/share/NuGet/" ]

/// Those that start tools of the SDK which need what they have in the home.
let private atHome = [ "Mcdrl.CSharpApi.Tests" ]

/// The program and its arguments, watched where that is permitted, and what there is to complain about afterwards.
let watched project (folder: string) program (arguments: string list) =
    match isolation.Value with
    | None -> program, arguments, (fun () -> [])
    | Some flags ->
        let home = Path.Combine(folder, "home")
        Directory.CreateDirectory home |> ignore
        let isAtHome = List.contains project atHome

        let given =
            if isAtHome then
                Environment.GetFolderPath Environment.SpecialFolder.UserProfile
            else
                home

        let counted name =
            File.ReadAllText(Path.Combine(folder, name))

        "unshare",
        flags @ [ "sh"; "-c"; watching; "sh"; folder; given; program ] @ arguments,
        fun () ->
            [
                if counted "before" <> counted "after" then
                    $"{project} says something to the network."

                if not isAtHome then
                    for path in Directory.GetFiles(home, "*", SearchOption.AllDirectories) do
                        let path = Path.GetRelativePath(home, path)

                        if not (List.exists (fun (own: string) -> path.StartsWith own) ofSdk) then
                            $"{project} writes to the user's home: {path}"
            ]
