namespace Mcdrl.Tests

open System
open System.Collections.Concurrent
open System.Net
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open System.Threading

/// What one file of the hub is, and how it is served.
type HubbedFile =
    {
        Name: string
        Bytes: byte[]
        /// Whether its sha256 is stated, as of files in Git LFS.
        IsLarge: bool
    }

/// How it misbehaves.
[<RequireQualifiedAccess>]
type HubFault =
    | None
    /// The first so many answers end after so many bytes, though more were announced.
    | BreaksOff of answers: int * bytes: int
    /// It always sends files from their beginning.
    | IgnoresRanges
    /// One bit is wrong.
    | WrongBytes
    /// So many bytes are added to what the listing says of sizes.
    | WrongSize of int
    /// It answers with a status and nothing else.
    | Status of int
    /// It waits for ever after so many bytes.
    | Stalls of bytes: int

/// A hub on this machine's loopback, honest unless a test asks for something else.
type FakeHub(repository: string, files: HubbedFile list) =
    let commit = String.replicate 40 "c"
    let requests = ConcurrentQueue<string>()
    let mutable fault = HubFault.None
    let mutable broken = 0

    let rec started attempts =
        let port = Random.Shared.Next(20000, 60000)
        let listener = new HttpListener()
        listener.Prefixes.Add $"http://127.0.0.1:{port}/"

        try
            listener.Start()
            listener, port
        with :? HttpListenerException when attempts > 0 ->
            started (attempts - 1)

    let listener, port = started 50

    let hexadecimal (bytes: byte[]) = Convert.ToHexStringLower bytes

    let listing () =
        let siblings = JsonArray()

        for file in files do
            let item = JsonObject()
            item.Add("rfilename", JsonValue.Create file.Name)

            let size =
                match fault with
                | HubFault.WrongSize more -> file.Bytes.Length + more
                | _ -> file.Bytes.Length

            item.Add("size", JsonValue.Create size)

            let blob =
                Array.append (Encoding.ASCII.GetBytes $"blob {file.Bytes.Length}\000") file.Bytes

            item.Add("blobId", JsonValue.Create(hexadecimal (SHA1.HashData blob)))

            if file.IsLarge then
                let lfs = JsonObject()
                lfs.Add("sha256", JsonValue.Create(hexadecimal (SHA256.HashData file.Bytes)))
                item.Add("lfs", lfs)

            siblings.Add item

        let root = JsonObject()
        root.Add("sha", JsonValue.Create commit)
        root.Add("siblings", siblings)
        Encoding.UTF8.GetBytes(root.ToJsonString())

    let send (context: HttpListenerContext) (bytes: byte[]) =
        let given = context.Request.Headers["Range"] |> Option.ofObj

        let from =
            match given, fault with
            | _, HubFault.IgnoresRanges
            | None, _ -> 0
            | Some range, _ -> int (range.Replace("bytes=", "").TrimEnd('-'))

        if from > 0 then
            context.Response.StatusCode <- 206

        let rest = bytes[from..]
        context.Response.ContentLength64 <- int64 rest.Length

        match fault with
        | HubFault.BreaksOff(answers, most) when broken < answers && rest.Length > most ->
            broken <- broken + 1
            context.Response.OutputStream.Write(rest, 0, most)
            context.Response.OutputStream.Flush()
            context.Response.Abort()
        | HubFault.Stalls most when rest.Length > most ->
            context.Response.OutputStream.Write(rest, 0, most)
            context.Response.OutputStream.Flush()
        | _ ->
            context.Response.OutputStream.Write(rest, 0, rest.Length)
            context.Response.Close()

    let answer (context: HttpListenerContext) =
        let path = (nonNull context.Request.Url).AbsolutePath

        let range =
            context.Request.Headers["Range"] |> Option.ofObj |> Option.defaultValue ""

        requests.Enqueue(($"{path} {range}").TrimEnd())

        match fault with
        | HubFault.Status status ->
            context.Response.StatusCode <- status
            context.Response.Close()
        | _ when path.StartsWith $"/api/models/{repository}/revision/" ->
            let bytes = listing ()
            context.Response.OutputStream.Write(bytes, 0, bytes.Length)
            context.Response.Close()
        | _ ->
            match
                files
                |> List.tryFind (fun file -> path = $"/{repository}/resolve/{commit}/{file.Name}")
            with
            | Some file when fault = HubFault.WrongBytes && file.IsLarge ->
                let spoilt = Array.copy file.Bytes
                spoilt[0] <- spoilt[0] ^^^ 1uy
                send context spoilt
            | Some file -> send context file.Bytes
            | None ->
                context.Response.StatusCode <- 404
                context.Response.Close()

    let serve () =
        try
            while listener.IsListening do
                let context = listener.GetContext()

                try
                    answer context
                with
                | :? HttpListenerException
                | :? ObjectDisposedException -> ()
        with
        | :? HttpListenerException
        | :? ObjectDisposedException
        | :? InvalidOperationException -> ()

    do Thread(serve, IsBackground = true).Start()

    member _.Address = $"http://127.0.0.1:{port}"
    member _.Commit = commit

    /// Paths asked for so far, each with its range.
    member _.Requests = List.ofSeq requests

    member _.Fault
        with get () = fault
        and set value =
            broken <- 0
            fault <- value

    interface IDisposable with
        member _.Dispose() = listener.Close()
