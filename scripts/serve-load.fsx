// What `mcdrl serve` bears on loopback: dotnet fsi scripts/serve-load.fsx [seconds a row] [requests for memory] [model for memory]
// Needs `dotnet fsi build.fsx build` once. What it finds depends on the machine.
#load "load.fsx"

open System
open System.Diagnostics
open System.IO
open System.Net.Http
open System.Net.Sockets
open System.Text
open System.Text.Json
open System.Threading
open System.Threading.Tasks
open Mcdrl

let root = Path.GetDirectoryName __SOURCE_DIRECTORY__ |> nonNull

let argument at fallback =
    fsi.CommandLineArgs |> Array.tryItem at |> Option.defaultValue fallback

let seconds, requests = float (argument 1 "20"), int (argument 2 "20000")
let memoryModel = argument 3 ""

let frames =
    Directory.GetFiles(Path.Combine(root, "examples", "polypgen-c6", "c6", "images"))
    |> Array.sort
    |> Array.map File.ReadAllBytes

let orFail outcome =
    Result.defaultWith (McdrlError.describe >> failwith) outcome

/// Serves while `work` has the process and a client.
let serving (arguments: string list) (work: Process -> HttpClient -> unit) =
    let info =
        ProcessStartInfo(
            Path.Combine(root, "bin", "mcdrl"),
            "serve" :: "--json" :: "--port" :: "0" :: arguments,
            RedirectStandardOutput = true
        )

    use service = nonNull (Process.Start info)

    let told =
        JsonDocument.Parse(nonNull (service.StandardOutput.ReadLine())).RootElement

    use client =
        new HttpClient(
            new SocketsHttpHandler(MaxConnectionsPerServer = 256),
            BaseAddress = Uri(nonNull (told.GetProperty("address").GetString())),
            Timeout = TimeSpan.FromMinutes 10.0
        )

    try
        work service client
    finally
        service.Kill()

let ask (client: HttpClient) (body: byte[]) : Task<int> =
    task {
        use! response = client.PostAsync("/segment", new ByteArrayContent(body))
        let! _ = response.Content.ReadAsByteArrayAsync()
        return int response.StatusCode
    }

let percentile share (sorted: float array) =
    sorted[min (sorted.Length - 1) (int (share * float sorted.Length))]

/// Latencies of answered requests in milliseconds, and how many were told to come back, of so many clients for so long.
let load client clients (forSeconds: float) =
    let clock = Stopwatch.StartNew()
    let refused = ref 0

    let one number =
        task {
            let times = ResizeArray<float>()
            let mutable next = number

            while clock.Elapsed.TotalSeconds < forSeconds do
                let began = clock.Elapsed.TotalMilliseconds
                let! status = ask client frames[next % frames.Length]
                next <- next + 1

                match status with
                | 200 -> times.Add(clock.Elapsed.TotalMilliseconds - began)
                | 429 ->
                    Interlocked.Increment refused |> ignore
                    do! Task.Delay 1000
                | other -> failwith $"answered {other}"

            return times
        }

    let times =
        (Task.WhenAll(Array.init clients one)).Result
        |> Seq.concat
        |> Array.ofSeq
        |> Array.sort

    times, refused.Value, clock.Elapsed.TotalSeconds

let table () =
    let segmenter = orFail (Segmenter.load (orFail (EmbeddedModel.folder ())) "cpu")
    use engine = Segmenter.engine segmenter

    for threads in List.distinct [ Environment.ProcessorCount; 1 ] do
        use _share = engine.Share(Environment.ProcessorCount / threads)
        let clock = Stopwatch.StartNew()
        let mutable count = 0

        while clock.Elapsed.TotalSeconds < seconds do
            let picture =
                orFail (Images.decode ImageLimits.standard "frame" frames[count % frames.Length])

            let found = orFail (Engine.segment engine None Marking.standard picture)

            SegmentFiles.text (SegmentFiles.report (SegmentTargets.target "" ("frame.jpg", "")) found None)
            |> ignore

            count <- count + 1

        printfn
            $"| a loop, torch on {threads} threads | {float count / clock.Elapsed.TotalSeconds:F1} | | | | |"

    serving [] (fun _ client ->
        load client 1 (min seconds 5.0) |> ignore

        for clients in [ 1; 4; 16; 64 ] do
            let times, refused, took = load client clients seconds
            let at share = percentile share times

            printfn
                $"| {clients} clients | {float times.Length / took:F1} | {at 0.5:F0} | {at 0.95:F0} | {at 0.99:F0} | {refused} |")

let statusOf (service: Process) (key: string) =
    File.ReadAllLines $"/proc/{service.Id}/status"
    |> Array.find _.StartsWith(key + ":")
    |> fun line -> line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries)[1] |> int

let memory () =
    serving (if memoryModel = "" then [] else [ "--model"; memoryModel ]) (fun service client ->
        let tenth = max 1 (requests / 10)

        for part in 1..10 do
            for chunk in Seq.chunkBySize 8 (seq { 1..tenth }) do
                let statuses =
                    (chunk
                     |> Array.map (fun number -> ask client frames[number % frames.Length])
                     |> Task.WhenAll)
                        .Result

                if Array.exists ((<>) 200) statuses then
                    failwith $"answered %A{statuses}"

            let resident, threads = statusOf service "VmRSS" / 1024, statusOf service "Threads"
            printfn $"| {part * tenth} | {resident} | {threads} |")

let bomb =
    let chunk (name: string) (content: byte[]) =
        let body = Array.append (Encoding.ASCII.GetBytes name) content

        let big (value: int) =
            BitConverter.GetBytes value |> Array.rev

        Array.concat [ big content.Length; body; big (int (Png.crc body 0 body.Length)) ]

    let packed =
        use memory = new MemoryStream()

        using (new Compression.ZLibStream(memory, Compression.CompressionLevel.Fastest, true)) (fun zip ->
            zip.Write(ReadOnlySpan(Array.zeroCreate<byte> 200_000_000)))

        memory.ToArray()

    let size = [| 0uy; 0uy; 0x75uy; 0x30uy |]

    Array.concat
        [
            [| 137uy; 80uy; 78uy; 71uy; 13uy; 10uy; 26uy; 10uy |]
            chunk "IHDR" (Array.concat [ size; size; [| 8uy; 2uy; 0uy; 0uy; 0uy |] ])
            chunk "IDAT" packed
            chunk "IEND" [||]
        ]

let hostile () =
    serving [] (fun service client ->
        load client 4 5.0 |> ignore
        let threads = statusOf service "Threads"
        let address = client.BaseAddress |> nonNull

        let connect (length: int) =
            let connection = new TcpClient(address.Host, address.Port)

            connection
                .GetStream()
                .Write(
                    ReadOnlySpan(
                        Encoding.ASCII.GetBytes
                            $"POST /segment HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Length: {length}\r\n\r\n"
                    )
                )

            connection

        use stop = new CancellationTokenSource()

        let slow =
            task {
                let connections = [| for _ in 1..64 -> connect 100_000 |]

                while not stop.IsCancellationRequested do
                    for connection in connections do
                        try
                            connection.GetStream().WriteByte 0uy
                        with
                        | :? IOException
                        | :? InvalidOperationException -> ()

                    do! Task.Delay 500

                for connection in connections do
                    connection.Dispose()
            }

        let cut =
            task {
                for _ in 1..500 do
                    (connect 100_000).Dispose()
                    do! Task.Delay 10
            }

        let refused what expected (content: unit -> HttpContent) =
            let clock = Stopwatch.StartNew()
            let response = client.PostAsync("/segment", content ()).Result

            printfn
                $"{what}: {int response.StatusCode} in {clock.ElapsedMilliseconds} ms, expected {expected}"

        let times, told, took = load client 4 seconds
        refused "a PNG of 30,000 x 30,000 pixels" 413 (fun () -> new ByteArrayContent(bomb))

        try
            refused "a body of 100 MB" 413 (fun () ->
                new StreamContent(new MemoryStream(Array.zeroCreate<byte> 100_000_000)))
        with :? AggregateException as cutOff ->
            printfn $"a body of 100 MB: the connection was closed: {cutOff.GetBaseException().Message}"

        cut.Wait()
        stop.Cancel()
        slow.Wait()
        Thread.Sleep 5000
        let health = client.GetStringAsync("/health").Result
        let metrics = client.GetStringAsync("/metrics").Result.Split '\n'
        let held = metrics |> Array.find _.StartsWith("mcdrl_body_bytes ")

        printfn
            $"beside 64 slow clients and 500 cut connections, 4 clients: {float times.Length / took:F1} a second, p99 {percentile 0.99 times:F0} ms, {told} told to come back"

        let now = statusOf service "Threads"

        printfn
            $"afterwards: {JsonDocument.Parse(health).RootElement}, {held}, {now} threads (before {threads})")

printfn "| | a second | p50 ms | p95 ms | p99 ms | 429 |\n|---|---|---|---|---|---|"
table ()
printfn "\n| requests | resident MiB | threads |\n|---|---|---|"
memory ()
printfn ""
hostile ()
