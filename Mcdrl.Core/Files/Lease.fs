namespace Mcdrl

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Text
open System.Threading

/// When whoever holds a lease gives signs of life, and when it is taken for gone.
type LeaseTimes =
    {
        /// Between two signs of life.
        Beat: TimeSpan
        /// Without a sign of life for so long, a lease is anybody's. Many beats: a busy file system shows them late.
        Expiry: TimeSpan
    }

/// Who holds a lease, as far as its file tells.
type LeaseHolder =
    {
        /// The machine's name.
        Machine: string
        /// The process there, 0 if the file doesn't tell.
        Process: int
        /// Whether it is known to be there: a process of this machine, or one that has given a sign of life since the lease was
        /// first looked at.
        IsAlive: bool
    }

/// Which signs of life this process has seen of others' leases, and when by its own clock: clocks of two machines are never
/// compared.
[<Sealed>]
type LeaseWatch(times: LeaseTimes) =
    let seen = ConcurrentDictionary<string, struct (string * int64 * bool)>()

    /// When leases taken through it give signs of life, and when others' expire.
    member _.Times = times

    /// Looks at what a lease's file holds now: whether it has been the same until its expiry, and whether it ever changed.
    member internal _.Look(file: string, content: string) : struct (bool * bool) =
        let now = Stopwatch.GetTimestamp()

        let struct (_, since, hasMoved) =
            seen.AddOrUpdate(
                file,
                struct (content, now, false),
                fun _ (struct (known, _, _) as last) ->
                    if known = content then
                        last
                    else
                        struct (content, now, true)
            )

        struct (Stopwatch.GetElapsedTime(since, now) > times.Expiry, hasMoved)

/// A lease on work that one process does at a time, on whatever machine: a file that only one can create, with a sign of life in it
/// that its holder renews. Disposing it sets it free.
[<Sealed>]
type Lease
    internal (file: string, times: LeaseTimes, sign: int64 -> bool -> string, isOvertaken: unit -> bool) =
    let stop = new ManualResetEventSlim(false)
    let lost = new CancellationTokenSource()

    /// In place: what others have opened they see change, and a full disk is in nobody's way.
    let write beats released =
        use stream =
            new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite ||| FileShare.Delete, 0)

        stream.Write(Encoding.UTF8.GetBytes(sign beats released))
        stream.Flush true

    let rec beat beats (last: int64) =
        if not (stop.Wait times.Beat) then
            let written =
                try
                    if isOvertaken () then
                        None
                    else
                        write beats false
                        Some(Stopwatch.GetTimestamp())
                with
                | :? FileNotFoundException
                | :? DirectoryNotFoundException -> None
                | :? IOException
                | :? UnauthorizedAccessException -> Some last

            match written with
            | Some last when Stopwatch.GetElapsedTime last <= times.Expiry -> beat (beats + 1L) last
            | _ -> lost.Cancel()

    // Threads of the pool may all be computing.
    let beating =
        Thread((fun () -> beat 1L (Stopwatch.GetTimestamp())), IsBackground = true, Name = "lease")

    do beating.Start()

    /// Fires where another has taken the lease over, or where no sign of life could be given until its expiry. What was begun is
    /// somebody else's then.
    member _.Lost = lost.Token

    interface IDisposable with
        member _.Dispose() =
            if not stop.IsSet then
                stop.Set()
                beating.Join()

                if not lost.IsCancellationRequested then
                    try
                        if not (isOvertaken ()) then
                            write 0L true
                    with
                    | :? IOException
                    | :? UnauthorizedAccessException -> ()

/// Leases by exclusive creation, which every shared file system has, where locks (`FileLock`) are known to be silently missing on
/// some. The leases on one piece of work are files `PATH.1`, `PATH.2`, …: the last is the one that counts, and taking over is
/// creating the next, which one of several can.
[<RequireQualifiedAccess>]
module Lease =
    /// A sign of life every 10 seconds; 90 without one.
    let standard =
        {
            Beat = TimeSpan.FromSeconds 10.0
            Expiry = TimeSpan.FromSeconds 90.0
        }

    /// Bytes of a lease's file, always.
    let private size = 512

    let private linkOrFile (path: string) =
        try
            match File.ResolveLinkTarget(path, false) with
            | null -> File.ReadAllText(path).Trim()
            | target -> target.Name
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ""

    /// In which a process number means one process: this start of the machine, and the processes that see each other.
    let private surroundings =
        lazy
            (linkOrFile "/proc/sys/kernel/random/boot_id"
             + " "
             + linkOrFile "/proc/self/ns/pid")

    /// When a process began, in the kernel's ticks; numbers are used again. `None` where there is no such process.
    let private beginning (number: int) =
        try
            if OperatingSystem.IsLinux() then
                let text = File.ReadAllText $"/proc/{number}/stat"
                // After the name, which may hold anything.
                Some((text.Substring(text.LastIndexOf ')' + 2).Split ' ')[19])
            else
                use found = Process.GetProcessById number
                Some(string found.Id)
        with
        | :? IOException
        | :? UnauthorizedAccessException
        | :? ArgumentException -> None

    let private sign (id: Guid) (beats: int64) released =
        let began = beginning Environment.ProcessId |> Option.defaultValue ""
        let state = if released then "free" else "held"

        let text =
            $"{state}\n{id} {beats}\nmachine {Environment.MachineName}\nsurroundings {surroundings.Value}\nprocess {Environment.ProcessId}\nbegan {began}\n"

        text.PadRight size

    let private field (name: string) (content: string) =
        content.Split '\n'
        |> Array.tryPick (fun line ->
            if line.StartsWith(name + " ", StringComparison.Ordinal) then
                Some(line.Substring(name.Length + 1).Trim())
            else
                None)
        |> Option.defaultValue ""

    let private isFree (content: string) =
        content.StartsWith("free\n", StringComparison.Ordinal)

    let private processOf content =
        match Int32.TryParse(field "process" content) with
        | true, number -> number
        | false, _ -> 0

    /// Whether the holder's process is there, where that can be known: on this machine.
    let private isRunning content =
        if
            field "machine" content = Environment.MachineName
            && field "surroundings" content = surroundings.Value
        then
            Some(beginning (processOf content) = Some(field "began" content))
        else
            None

    let private read (file: string) =
        use stream =
            new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite ||| FileShare.Delete, 0)

        let buffer = Array.zeroCreate size
        Encoding.UTF8.GetString(buffer, 0, stream.ReadAtLeast(buffer, size, false))

    let private fileOf (path: string) (number: int) = $"{path}.{number}"

    /// The number of the last lease, 0 where there is none.
    let private last (path: string) =
        let folder = nonNull (Path.GetDirectoryName path)
        let name = nonNull (Path.GetFileName path) + "."

        Directory.EnumerateFiles(folder, name + "*")
        |> Seq.choose (fun file ->
            match Int32.TryParse((nonNull (Path.GetFileName file)).Substring name.Length) with
            | true, number -> Some number
            | false, _ -> None)
        |> Seq.fold max 0

    let private create (watch: LeaseWatch) path number =
        let id = Guid.NewGuid()

        try
            use stream =
                new FileStream(
                    fileOf path number,
                    FileMode.CreateNew,
                    FileAccess.Write,
                    FileShare.ReadWrite ||| FileShare.Delete,
                    0
                )

            stream.Write(Encoding.UTF8.GetBytes(sign id 0L false))
            stream.Flush true
            // The one before stays, so that its holder, should it wake, sees that it was overtaken.
            for number in 1 .. number - 2 do
                File.Delete(fileOf path number)

            Some(new Lease(fileOf path number, watch.Times, sign id, (fun () -> last path > number)))
        with :? IOException when File.Exists(fileOf path number) ->
            None

    let private holder content isAlive : LeaseHolder =
        {
            Machine = field "machine" content
            Process = processOf content
            IsAlive = isAlive
        }

    /// Takes the lease, creating its folder where that is missing, if nobody has it, if its holder has set it free, was a process
    /// of this machine that is no more, or has given no sign of life until its expiry, since `watch` first looked. Else who holds it.
    let tryTake (watch: LeaseWatch) (path: string) : Result<Result<Lease, LeaseHolder>, McdrlError> =
        let path = Path.GetFullPath path

        let takeNext number content =
            match create watch path (number + 1) with
            | Some lease -> Ok lease
            | None -> Error(holder content false)

        Files.attempt path (fun () ->
            Directory.CreateDirectory(nonNull (Path.GetDirectoryName path)) |> ignore

            match last path with
            | 0 -> takeNext 0 ""
            | number ->
                let file = fileOf path number
                let content = read file
                let struct (isForsaken, hasMoved) = watch.Look(file, content)
                let running = isRunning content

                if isFree content || running = Some false || isForsaken then
                    takeNext number content
                else
                    Error(holder content (hasMoved || running = Some true)))

    let private interval = TimeSpan.FromMilliseconds 500.0

    /// As `tryTake`; where it isn't known whether the holder is alive, waits for a sign of life or the expiry.
    let rec take (watch: LeaseWatch) (path: string) (progress: Progress) =
        match tryTake watch path with
        | Ok(Error holder) when not holder.IsAlive ->
            progress.Tell
                {
                    Stage =
                        $"waiting for a sign of life of process {holder.Process} on {holder.Machine}, which held this"
                    Done = 0
                    Total = 0
                    Note = ""
                }

            if progress.Cancel.WaitHandle.WaitOne interval then
                Error McdrlError.Cancelled
            else
                take watch path progress
        | outcome -> outcome

    /// What `work` comes to under a lease, whose loss stops it as a cancellation does; `None` where it was lost.
    let working (lease: Lease) (progress: Progress) (work: Progress -> Result<'a, McdrlError>) =
        use either =
            CancellationTokenSource.CreateLinkedTokenSource(progress.Cancel, lease.Lost)

        match work { progress with Cancel = either.Token } with
        | Error McdrlError.Cancelled when lease.Lost.IsCancellationRequested && not progress.IsCancelled ->
            Ok None
        | outcome -> Result.map Some outcome
