module Mcdrl.Tests.ServiceTests

open System
open System.IO
open System.Net.Http
open System.Net.Sockets
open System.Text
open System.Text.RegularExpressions
open System.Threading
open System.Threading.Tasks
open Expecto
open Mcdrl
open Mcdrl.Tests.Served

/// An engine that answers when it is let, and says how often it was asked.
let private gated (gate: ManualResetEventSlim) (asked: int ref) =
    { model with
        Engine =
            { engine with
                Segment =
                    fun mode marking picture ->
                        Interlocked.Increment asked |> ignore
                        gate.Wait()
                        engine.Segment mode marking picture
            }
    }

let private until what (holds: unit -> bool) =
    Expect.isTrue (SpinWait.SpinUntil(holds, TimeSpan.FromSeconds 30.0)) what

let private health (client: HttpClient) (key: string) =
    (jsonOf (client.GetAsync("/health").Result)).GetProperty(key).GetInt32()

let private sendLater (client: HttpClient) (cancel: CancellationToken) =
    client.PostAsync("/segment", new ByteArrayContent(frame), cancel)

/// A request's head and the first bytes of its body on a connection of its own, and nothing after them.
let private unfinished (client: HttpClient) =
    let address = client.BaseAddress |> nonNull
    let connection = new TcpClient(address.Host, address.Port)

    connection
        .GetStream()
        .Write(
            ReadOnlySpan(
                Encoding.ASCII.GetBytes
                    $"POST /segment HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Length: 5000\r\n\r\nPNG"
            )
        )

    connection

/// A small PNG whose header says 900 million pixels.
let private bomb =
    Crafted.pngFile 30_000 30_000 8 2 0 [||] (Array.zeroCreate 1_000_000)

let tests =
    testList
        "Service"
        [
            test "beyond the queue callers are told to come back, and nobody's work is lost" {
                use gate = new ManualResetEventSlim()
                let asked = ref 0

                within
                    { settings with
                        AtOnce = 1
                        Waiting = 1
                    }
                    (gated gate asked)
                    (fun client ->
                        let first = sendLater client CancellationToken.None
                        until "the first is computed" (fun () -> health client "working" = 1)
                        let second = sendLater client CancellationToken.None
                        until "the second waits" (fun () -> health client "waiting" = 1)
                        let third = post client "/segment" frame
                        Expect.equal (fst (refusalOf third)) 429 "the third"
                        let after = third.Headers.RetryAfter |> nonNull
                        Expect.isGreaterThan after.Delta.Value TimeSpan.Zero "when to come back"
                        gate.Set()

                        Expect.equal
                            (int first.Result.StatusCode, int second.Result.StatusCode)
                            (200, 200)
                            "the others"

                        Expect.equal asked.Value 2 "no work for the third")
            }

            test "a caller that goes leaves the queue" {
                use gate = new ManualResetEventSlim()
                let asked = ref 0

                within
                    { settings with
                        AtOnce = 1
                        Waiting = 4
                    }
                    (gated gate asked)
                    (fun client ->
                        let first = sendLater client CancellationToken.None
                        until "the first is computed" (fun () -> health client "working" = 1)
                        use gone = new CancellationTokenSource()
                        let second = sendLater client gone.Token
                        until "the second waits" (fun () -> health client "waiting" = 1)
                        gone.Cancel()
                        until "it waits no more" (fun () -> health client "waiting" = 0)
                        Expect.throws (fun () -> second.Wait()) "it has gone"
                        gate.Set()
                        Expect.equal (int first.Result.StatusCode) 200 "the first"
                        Expect.equal asked.Value 1 "no work for who has gone")
            }

            test "a service that stops answers what is under way" {
                use gate = new ManualResetEventSlim()
                let asked = ref 0
                use stop = new CancellationTokenSource()
                use started = new ManualResetEventSlim()
                let address = ref ""

                let running =
                    Task.Run(fun () ->
                        Service.run
                            settings
                            (gated gate asked)
                            (fun found ->
                                address.Value <- found
                                started.Set())
                            stop.Token)

                started.Wait()
                use client = new HttpClient(BaseAddress = Uri address.Value)
                let answer = sendLater client CancellationToken.None
                until "it is computed" (fun () -> asked.Value = 1)
                stop.Cancel()
                Expect.isFalse (running.Wait 200) "it waits for the answer"
                gate.Set()
                Expect.equal (int answer.Result.StatusCode) 200 "the answer"
                Outcome.ok running.Result
                Expect.throws (fun () -> client.GetAsync("/health").Wait()) "it is gone"
            }

            test "a body over the limit is refused, announced or not" {
                let limited =
                    { settings with
                        Limits =
                            { settings.Limits with
                                MaxBytes = 1000L
                            }
                    }

                within limited model (fun client ->
                    Expect.equal
                        (fst (refusalOf (post client "/segment" (Array.zeroCreate 2000))))
                        413
                        "announced"

                    use request = new HttpRequestMessage(HttpMethod.Post, "/segment")
                    request.Headers.TransferEncodingChunked <- Nullable true
                    request.Content <- new StreamContent(new MemoryStream(Array.zeroCreate<byte> 2000))
                    Expect.equal (fst (refusalOf (client.Send request))) 413 "in pieces")
            }

            test "an image that grows is refused by what its header says" {
                let asked = ref 0
                use gate = new ManualResetEventSlim(true)

                within settings (gated gate asked) (fun client ->
                    Expect.equal (fst (refusalOf (post client "/segment" bomb))) 413 "pixels"
                    Expect.equal asked.Value 0 "the engine is not asked")
            }

            test "slow callers are let go of, and take nobody's place" {
                let patient =
                    { settings with
                        AtOnce = 1
                        Waiting = 1
                        Patience = TimeSpan.FromSeconds 1.0
                    }

                within patient model (fun client ->
                    let slow = [ for _ in 1..64 -> unfinished client ]

                    try
                        Expect.equal
                            (int (post client "/segment" frame).StatusCode)
                            200
                            "another is answered meanwhile"

                        for connection in slow do
                            connection.ReceiveTimeout <- 30_000
                            let buffer = Array.zeroCreate<byte> 200
                            let count = connection.GetStream().Read(buffer, 0, buffer.Length)

                            Expect.stringContains
                                (Encoding.ASCII.GetString(buffer, 0, count))
                                " 408 "
                                "too slow"

                        Expect.equal (int (post client "/segment" frame).StatusCode) 200 "and afterwards"
                    finally
                        for connection in slow do
                            connection.Dispose())
            }

            test "what is cut off is forgotten" {
                within settings model (fun client ->
                    for _ in 1..20 do
                        (unfinished client).Dispose()

                    until "no byte of it is held" (fun () ->
                        textOf(client.GetAsync("/metrics").Result).Contains "mcdrl_body_bytes 0\n")

                    Expect.equal (int (post client "/segment" frame).StatusCode) 200 "it goes on")
            }

            test "what is answered is counted" {
                within settings model (fun client ->
                    post client "/segment" frame |> ignore
                    post client "/segment" [||] |> ignore
                    let text = textOf (client.GetAsync("/metrics").Result)

                    for part in
                        [
                            "mcdrl_request_seconds_count{method=\"POST\",path=\"/segment\",status=\"200\"} 1"
                            "mcdrl_request_seconds_count{method=\"POST\",path=\"/segment\",status=\"400\"} 1"
                            "mcdrl_pixels_total 6144"
                        ] do
                        Expect.stringContains text part part)
            }

            test "where nothing is, and how it isn't asked for" {
                within settings model (fun client ->
                    Expect.equal (fst (refusalOf (client.GetAsync("/nothing").Result))) 404 "nothing"
                    let other = client.GetAsync("/segment").Result
                    Expect.equal (fst (refusalOf other)) 405 "another method"
                    Expect.contains other.Content.Headers.Allow "POST" "what is allowed")
            }

            test "the page needs no other host" {
                for file in PageFiles.all do
                    let text = Encoding.UTF8.GetString file.Bytes

                    let addresses =
                        [
                            for found in Regex.Matches(text, @"\b(?:https?:)?//[\w.]+\.\w+") -> found.Value
                        ]

                    Expect.isEmpty (addresses |> List.except [ "http://www.w3.org" ]) file.Name

                within settings model (fun client ->
                    let page = client.GetAsync("/").Result
                    let policy = page.Headers.GetValues "Content-Security-Policy" |> Seq.head
                    Expect.stringStarts policy "default-src 'none'" "its policy"
                    use again = new HttpRequestMessage(HttpMethod.Get, "/")
                    again.Headers.IfNoneMatch.Add(page.Headers.ETag |> nonNull)
                    Expect.equal (int (client.Send again).StatusCode) 304 "it hasn't changed")
            }
        ]
