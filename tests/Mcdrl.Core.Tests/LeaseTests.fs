module Mcdrl.Tests.LeaseTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Mcdrl

let private quick: LeaseTimes =
    {
        Beat = TimeSpan.FromMilliseconds 50.0
        Expiry = TimeSpan.FromSeconds 1.5
    }

let private tryTake watch path = Outcome.ok (Lease.tryTake watch path)

let private taken watch path =
    match tryTake watch path with
    | Ok lease -> lease
    | Error holder -> failtest $"%A{holder} holds {path}"

let private holderOf watch path =
    match tryTake watch path with
    | Ok _ -> failtest $"{path} was free"
    | Error(holder: LeaseHolder) -> holder

let private free (lease: Lease) = (lease :> IDisposable).Dispose()

let private until what (condition: unit -> bool) =
    if not (SpinWait.SpinUntil(condition, TimeSpan.FromMinutes 5.0)) then
        failtest $"in five minutes not: {what}"

let private within test =
    Folder.temporary (fun folder -> test (Path.Combine(folder, "work.lease")))

/// What a holder on another machine would have written.
let private elsewhere path number =
    File.WriteAllText(
        $"{path}.{number}",
        "held\nid 1\nmachine elsewhere\nsurroundings other\nprocess 7\nbegan 9\n"
    )

/// A process of the tests' program. `flock` is off in it, as on file systems that have none.
let private beside (word: string) (path: string) variables (work: Process -> unit) =
    let start =
        ProcessStartInfo(
            "dotnet",
            [ typeof<HoldLease.Marker>.Assembly.Location; word; path ],
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        )

    start.Environment["DOTNET_SYSTEM_IO_DISABLEFILELOCKING"] <- "1"

    for name, value in variables do
        start.Environment[name] <- value

    use child = nonNull (Process.Start start)

    try
        work child
    finally
        child.Kill()
        child.WaitForExit()

/// A process that takes a lease and holds it until it is ended.
let private holding (path: string) (work: Process -> unit) =
    beside HoldLease.word path [] (fun child ->
        Expect.equal (child.StandardOutput.ReadLine()) "held" "it has it"
        work child)

let private signal (name: string) (child: Process) =
    use kill = Process.Start("kill", [ $"-{name}"; string child.Id ])
    kill.WaitForExit()
    Expect.equal kill.ExitCode 0 name

let tests =
    testList
        "Lease"
        [
            testCase "one holder at a time, named to others; free again when it is disposed"
            <| fun () ->
                within (fun path ->
                    let watch = LeaseWatch Lease.standard
                    let first = taken watch path
                    let holder = holderOf (LeaseWatch Lease.standard) path
                    Expect.equal holder.Process Environment.ProcessId "the process"
                    Expect.equal holder.Machine Environment.MachineName "the machine"
                    Expect.isTrue holder.IsAlive "which is there"
                    use _other = taken watch (path + "-other")
                    free first
                    use _second = taken watch path
                    Expect.isFalse first.Lost.IsCancellationRequested "nobody took the first over"
                    holderOf watch path |> ignore)

            testCase
                "of many that take it at once one gets it, whether it was ever held or is to be taken over"
            <| fun () ->
                for begins in [ ignore; (fun path -> elsewhere path 1) ] do
                    within (fun path ->
                        begins path
                        let times = { quick with Expiry = TimeSpan.Zero }
                        let watches = Array.init 8 (fun _ -> LeaseWatch times)

                        // What is to be taken over has been looked at before.
                        if File.Exists $"{path}.1" then
                            for watch in watches do
                                holderOf watch path |> ignore

                        use together = new Barrier(watches.Length)
                        let leases = Array.create<Lease option> watches.Length None

                        let threads =
                            watches
                            |> Array.mapi (fun index watch ->
                                Thread(fun () ->
                                    together.SignalAndWait() |> ignore

                                    match Lease.tryTake watch path with
                                    | Ok(Ok lease) -> leases[index] <- Some lease
                                    | _ -> ()))

                        for thread in threads do
                            thread.Start()

                        for thread in threads do
                            thread.Join()

                        Expect.hasLength (Array.choose id leases) 1 "one"
                        Array.iter (Option.iter free) leases)

            testCase
                "a holder elsewhere is left alone until the expiry, and for as long as it gives signs of life"
            <| fun () ->
                within (fun path ->
                    elsewhere path 3
                    let watch = LeaseWatch quick
                    Expect.isFalse (holderOf watch path).IsAlive "not known yet"
                    File.AppendAllText($"{path}.3", "beat")
                    Expect.isTrue (holderOf watch path).IsAlive "a sign of life"
                    Expect.equal (holderOf watch path).Machine "elsewhere" "whose it is"

                    until "it is taken over" (fun () ->
                        match tryTake watch path with
                        | Ok lease ->
                            free lease
                            true
                        | Error _ -> false)

                    Expect.isTrue (File.Exists $"{path}.4") "by the next number")

            testCase "who is overtaken is told, and frees nothing of the other's"
            <| fun () ->
                within (fun path ->
                    let first = taken (LeaseWatch quick) path
                    elsewhere path 2
                    until "it is told" (fun () -> first.Lost.IsCancellationRequested)
                    free first
                    Expect.equal (holderOf (LeaseWatch quick) path).Machine "elsewhere" "still the other's"

                    let again =
                        Lease.working first Progress.none (fun progress ->
                            if progress.IsCancelled then
                                Error McdrlError.Cancelled
                            else
                                Ok())

                    Expect.equal again (Ok None) "what it goes on with is stopped, as lost")

            testCase "a holder that has lost its folder is told"
            <| fun () ->
                within (fun path ->
                    let lease = taken (LeaseWatch quick) path
                    File.Delete $"{path}.1"
                    until "it is told" (fun () -> lease.Lost.IsCancellationRequested)
                    free lease)

            testCase "a cancellation is no loss"
            <| fun () ->
                within (fun path ->
                    use lease = taken (LeaseWatch quick) path
                    use stop = new CancellationTokenSource()
                    stop.Cancel()

                    let outcome =
                        Lease.working lease (Progress.until stop.Token) (fun _ -> Error McdrlError.Cancelled)

                    Expect.equal outcome (Error McdrlError.Cancelled: Result<unit option, _>) "cancelled"
                    Expect.equal (Lease.working lease Progress.none (fun _ -> Ok 1)) (Ok(Some 1)) "done")

            testCase
                "a process that was killed holds nothing any more, without waiting for the expiry, and without flock"
            <| fun () ->
                within (fun path ->
                    let watch = LeaseWatch Lease.standard

                    holding path (fun child ->
                        Expect.equal (holderOf watch path).Process child.Id "it holds it"
                        Expect.isTrue (holderOf watch path).IsAlive "it is there")

                    free (taken watch path))

            testCase "a process that is stopped past its expiry is overtaken, and knows when it wakes"
            <| fun () ->
                within (fun path ->
                    let watch = LeaseWatch quick

                    holding path (fun child ->
                        signal "STOP" child
                        let mutable lease = tryTake watch path
                        Expect.isError lease "held"

                        until "it is taken over" (fun () ->
                            lease <- tryTake watch path
                            Result.isOk lease)

                        signal "CONT" child
                        Expect.equal (child.StandardOutput.ReadLine()) "lost" "it is told"

                        match lease with
                        | Ok lease ->
                            Expect.isFalse lease.Lost.IsCancellationRequested "the taker isn't"
                            free lease
                        | Error _ -> ()))

            testCase "a clock that jumps by hours takes no lease from who holds it"
            <| fun () ->
                within (fun path ->
                    let clock = path + ".clock"
                    Programs.setClock clock 0
                    use held = taken (LeaseWatch Lease.standard) path

                    beside HoldLease.lookWord path (Programs.jumpingClock clock) (fun child ->
                        for hours in [ 0; 1; -1; 30; 0 ] do
                            Programs.setClock clock hours
                            child.StandardInput.WriteLine()

                            match (nonNull (child.StandardOutput.ReadLine())).Split ' ' with
                            | [| "held"; ticks |] ->
                                let ahead = DateTime(int64 ticks) - DateTime.UtcNow

                                Expect.isLessThan
                                    (abs (ahead.TotalHours - float hours))
                                    0.5
                                    "its clock has jumped"
                            | other -> failtest $"%A{other} at {hours} hours")

                    Expect.isFalse held.Lost.IsCancellationRequested "nobody took it")

            testCase "whose clock jumps by hours keeps its lease, and its signs of life go on"
            <| fun () ->
                within (fun path ->
                    let clock = path + ".clock"
                    Programs.setClock clock 0

                    beside HoldLease.word path (Programs.jumpingClock clock) (fun child ->
                        Expect.equal (child.StandardOutput.ReadLine()) "held" "it has it"
                        let said = child.StandardOutput.ReadLineAsync()

                        for hours in [ 1; -1; 30; 0 ] do
                            Programs.setClock clock hours
                            let before = File.ReadAllText $"{path}.1"
                            until "a sign of life" (fun () -> File.ReadAllText $"{path}.1" <> before)
                            holderOf (LeaseWatch Lease.standard) path |> ignore

                        Expect.isFalse said.IsCompleted "it has lost nothing"))

            testCase "a folder that can't be made is an error, not a lease that another has"
            <| fun () ->
                within (fun path ->
                    File.WriteAllText(path, "in the way")
                    let path = Path.Combine(path, "a.lease")
                    Lease.tryTake (LeaseWatch quick) path |> Outcome.refusedWith 5 [ path ])

            testCase "what is no lease's text is held by nobody knows whom"
            <| fun () ->
                within (fun path ->
                    File.WriteAllBytes($"{path}.1", [| 0uy; 255uy; 10uy |])
                    let holder = holderOf (LeaseWatch quick) path
                    Expect.equal (holder.Machine, holder.Process, holder.IsAlive) ("", 0, false) "unknown")

            testCase "who waits for a sign of life is cancelled, refused, or gets it"
            <| fun () ->
                within (fun path ->
                    elsewhere path 1
                    use stop = new CancellationTokenSource(TimeSpan.FromMilliseconds 100.0)

                    Expect.equal
                        (Lease.take (LeaseWatch Lease.standard) path (Progress.until stop.Token)
                         |> Result.map ignore)
                        (Error McdrlError.Cancelled)
                        "cancelled"

                    let said = ResizeArray()

                    let progress =
                        { Progress.none with
                            Tell =
                                fun step ->
                                    said.Add step.Stage
                                    File.AppendAllText($"{path}.1", "beat")
                        }

                    match Outcome.ok (Lease.take (LeaseWatch Lease.standard) path progress) with
                    | Error holder -> Expect.isTrue holder.IsAlive "refused"
                    | Ok _ -> failtest "it was held"

                    Expect.stringContains said[0] "process 7 on elsewhere" "who is waited for"

                    match Outcome.ok (Lease.take (LeaseWatch quick) path Progress.none) with
                    | Ok lease -> free lease
                    | Error holder -> failtest $"%A{holder} has it")
        ]
