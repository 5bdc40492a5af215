// Runs tests where nobody hears them, and tells what they say to the network and leave in the home all the same. Loaded by build.fsx.
#load "Processes.fsx"

open System
open System.IO
open Processes

/// What gives a program a network of its own, from which nobody is reached; none where that is not permitted.
let private isolation =
    lazy
        ([ [ "--net" ]; [ "--map-current-user"; "--keep-caps"; "--net" ] ]
         |> List.tryFind (fun flags ->
             try
                 fst (capture "unshare" (flags @ [ "true" ])) = 0
             with :? ComponentModel.Win32Exception ->
                 false))

/// Brings up the loopback of that network, on which tests speak to servers of their own: SIOCSIFFLAGS with IFF_UP and IFF_RUNNING.
let private loopback =
    """use Socket; socket(S, AF_INET, SOCK_DGRAM, 0); my $flags = pack("a16s", "lo", 0x41); ioctl(S, 0x8914, $flags);"""

/// Runs the tests at an empty home and without a network, and writes down what the system counted there before and after.
let private watching =
    """counts=$1; home=$2; up=$3; shift 3; perl -e "$up"; cat /proc/net/snmp /proc/net/snmp6 > "$counts/before"; HOME=$home "$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6 > "$counts/after"; exit $code"""

/// What is counted of words to others: packets for which there is no way, and every datagram, as a name that is looked up is one.
/// Connections on the loopback are counted elsewhere.
let private isTold (counter: string) =
    counter.EndsWith "OutNoRoutes" || counter.StartsWith "Udp"

/// The counters of /proc/net/snmp, which has a line of names and one of numbers, and of snmp6, which has a pair a line.
let private counters (path: string) =
    let rec read (lines: string list) =
        match lines with
        | names :: numbers :: rest when names.Contains ':' ->
            let cells (line: string) =
                line.Split(' ', StringSplitOptions.RemoveEmptyEntries)

            let named, counted = cells names, cells numbers
            let protocol = named[0].TrimEnd ':'

            [
                for name, number in Seq.zip named counted |> Seq.skip 1 -> protocol + name, number
            ]
            @ read rest
        | line :: rest ->
            [
                match line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) with
                | [| name; number |] -> name, number
                | _ -> ()
            ]
            @ read rest
        | [] -> []

    File.ReadAllLines path
    |> List.ofArray
    |> read
    |> List.filter (fst >> isTold)
    |> Map

/// What the SDK's own tools, which some tests start, keep in a home.
let private ofSdk = [ ".dotnet/"; ".nuget/"; ".local/share/NuGet/" ]

/// Those that start a browser. Before it loads a page, even of this machine, it asks the system whether IPv6 leads anywhere, and sends nothing.
let private browsing = [ "Mcdrl.Serve.Tests" ]

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

        let counted name = counters (Path.Combine(folder, name))

        "unshare",
        flags
        @ [ "sh"; "-c"; watching; "sh"; folder; given; loopback; program ]
        @ arguments,
        fun () ->
            [
                let before, after = counted "before", counted "after"

                let isExpected counter =
                    counter = "Ip6OutNoRoutes" && List.contains project browsing

                for KeyValue(counter, number) in after do
                    if before.TryFind counter <> Some number && not (isExpected counter) then
                        $"{project} says something to the network: {counter} went up to {number}."

                if not isAtHome then
                    for path in Directory.GetFiles(home, "*", SearchOption.AllDirectories) do
                        let path = Path.GetRelativePath(home, path)

                        if not (List.exists (fun (own: string) -> path.StartsWith own) ofSdk) then
                            $"{project} writes to the user's home: {path}"
            ]
