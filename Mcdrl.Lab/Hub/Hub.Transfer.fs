namespace Mcdrl

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Http.Headers
open System.Security.Cryptography
open System.Text
open System.Threading
open FsToolkit.ErrorHandling

/// How a hub is spoken to.
[<NoComparison; NoEquality>]
type internal HubConnection =
    {
        /// The client of all requests, with the caller's token where there is one.
        Client: HttpClient
        /// The hub's address, without a slash at its end.
        Hub: string
        /// How long to wait before each further attempt at a file; when they are used up the transfer has failed.
        Pauses: TimeSpan list
    }

/// Fetches one file whole: a transfer that breaks off goes on where it stopped, and nothing gets its name that isn't what the hub
/// promised.
[<RequireQualifiedAccess>]
module internal HubTransfer =
    let private refused (where: string) (status: HttpStatusCode) =
        match status with
        | HttpStatusCode.Unauthorized
        | HttpStatusCode.Forbidden ->
            McdrlError.data
                $"the hub refuses it ({int status})"
                where
                "Accept the repository's terms there, and set HF_TOKEN to a token of yours"
        | HttpStatusCode.NotFound ->
            McdrlError.data
                "the hub has no such thing (404)"
                where
                "Check the repository's name and the revision"
        | other ->
            McdrlError.resource $"the hub answers {int other}" where "Try again later, or name another hub"

    let private unreachable (where: string) (problem: exn) =
        McdrlError.resource
            $"the hub can't be reached: {problem.Message.TrimEnd '.'}"
            where
            "Check the network and the hub's address"

    /// Work on the network; what it throws becomes an error about `where`.
    let private attempt where (cancel: CancellationToken) (work: unit -> Result<'a, McdrlError>) =
        try
            work ()
        with
        | :? OperationCanceledException when cancel.IsCancellationRequested -> Error McdrlError.Cancelled
        | :? HttpRequestException as problem -> Error(unreachable where problem)
        | :? OperationCanceledException as problem -> Error(unreachable where problem)
        | :? IOException as problem -> Error(unreachable where problem)

    let private ask (connection: HubConnection) (address: string) from cancel =
        use request = new HttpRequestMessage(HttpMethod.Get, address)

        if from > 0L then
            request.Headers.Range <- RangeHeaderValue(Nullable from, Nullable())

        connection.Client.Send(request, HttpCompletionOption.ResponseHeadersRead, cancel)

    /// A small answer, of up to so many bytes.
    let small connection (most: int64) (address: string) cancel : Result<byte[], McdrlError> =
        attempt address cancel (fun () ->
            use answer = ask connection address 0L cancel

            if answer.IsSuccessStatusCode then
                use stream = answer.Content.ReadAsStream cancel

                Files.toEnd most stream
                |> Result.requireSome (
                    McdrlError.data
                        $"the answer has more than {most} bytes"
                        address
                        "Check the hub's address"
                )
            else
                Error(refused address answer.StatusCode))

    /// Whether the bytes of a file are those that its digest promises.
    let private holds (path: string) (file: HubFile) =
        Files.reading path (fun stream ->
            match file.Digest with
            | HubDigest.Sha256 expected -> Ok(Convert.ToHexStringLower(SHA256.HashData stream) = expected)
            | HubDigest.GitBlob expected ->
                use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA1
                hash.AppendData(Encoding.ASCII.GetBytes $"blob {file.Size}\000")
                let buffer = Array.zeroCreate<byte> 65536
                let mutable count = stream.Read buffer

                while count > 0 do
                    hash.AppendData(buffer, 0, count)
                    count <- stream.Read buffer

                Ok(Convert.ToHexStringLower(hash.GetHashAndReset()) = expected))

    /// Whether a file is there already, whole.
    let isThere (path: string) (file: HubFile) =
        File.Exists path
        && FileInfo(path).Length = file.Size
        && holds path file = Ok true

    let private buffered = 1 <<< 16

    /// What is known of the file so far, and what the answer adds to it; `told` hears of the bytes that are there.
    let private append connection address (part: string) (file: HubFile) told cancel =
        let there = if File.Exists part then FileInfo(part).Length else 0L
        let from = if there < file.Size then there else 0L

        attempt address cancel (fun () ->
            use answer = ask connection address from cancel

            if not answer.IsSuccessStatusCode then
                Error(refused address answer.StatusCode)
            else
                let goesOn = answer.StatusCode = HttpStatusCode.PartialContent
                use source = answer.Content.ReadAsStream cancel

                Files.attempt part (fun () ->
                    use target =
                        new FileStream(
                            part,
                            (if goesOn then FileMode.Append else FileMode.Create),
                            FileAccess.Write
                        )

                    let buffer = Array.zeroCreate<byte> buffered

                    let mutable count =
                        source.ReadAsync(buffer, cancel).AsTask().GetAwaiter().GetResult()

                    // One byte more than promised is read at most.
                    while count > 0 && target.Length <= file.Size do
                        target.Write(buffer, 0, count)
                        told target.Length
                        count <- source.ReadAsync(buffer, cancel).AsTask().GetAwaiter().GetResult()

                    target.Flush true
                    target.Length))

    /// Fetches a file to a path. What came before a break is kept in `PATH.part`, also for the next call.
    let fetch
        (connection: HubConnection)
        (address: string)
        (path: string)
        (file: HubFile)
        (told: int64 -> unit)
        (cancel: CancellationToken)
        : Result<unit, McdrlError> =
        let part = path + ".part"

        let wrong what =
            Files.attempt part (fun () -> File.Delete part)
            |> Result.bind (fun () ->
                Error(
                    McdrlError.data
                        $"{what}, so it is thrown away"
                        address
                        "Try again; if it stays so, don't trust this hub"
                ))

        let finish () =
            holds part file
            |> Result.bind (fun isTrue ->
                if isTrue then
                    Files.attempt path (fun () -> File.Move(part, path, true))
                else
                    wrong "its bytes are not those that the hub promises")

        let rec go (pauses: TimeSpan list) =
            match append connection address part file told cancel, pauses with
            | Ok length, _ when length = file.Size -> finish ()
            | Ok length, _ when length > file.Size ->
                wrong $"it has more than the {file.Size} bytes that the hub promises"
            | Error McdrlError.Cancelled, _ -> Error McdrlError.Cancelled
            | Error(McdrlError.Data _ as fault), _ -> Error fault
            | _, pause :: rest ->
                if cancel.WaitHandle.WaitOne pause then
                    Error McdrlError.Cancelled
                else
                    go rest
            | Error fault, [] -> Error fault
            | Ok length, [] ->
                Error(
                    McdrlError.resource
                        $"the transfer breaks off again and again, now after {length} of {file.Size} bytes"
                        address
                        "Run the same line again later; it goes on from there"
                )

        go connection.Pauses
