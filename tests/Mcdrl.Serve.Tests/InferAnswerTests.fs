module Mcdrl.Tests.InferAnswerTests

open System
open System.Net.Http
open System.Net.Http.Headers
open System.Text
open System.Text.Json
open Expecto
open Mcdrl
open Mcdrl.Tests.Served

let private picture =
    lazy Outcome.ok (Images.decode ImageLimits.standard "frame" frame)

let private requestOf (data: string) (more: string) =
    $"""{{ "id": "7", "inputs": [{{ "name": "image", "datatype": "UINT8", "shape": [1, 64, 96, 3], {data} }}]{more} }}"""

let private numbers () =
    let listed = picture.Value.Rgb |> Array.map string |> String.concat ","
    requestOf $"\"data\": [{listed}]"

let private ask (client: HttpClient) (text: string) =
    client
        .PostAsync("/v2/models/disc/infer", new StringContent(text, Encoding.UTF8, "application/json"))
        .Result

/// JSON and, behind it, bytes.
let private askBinary (client: HttpClient) (text: string) (behind: byte[]) =
    let head = Encoding.UTF8.GetBytes text
    let content = new ByteArrayContent(Array.append head behind)
    content.Headers.ContentType <- MediaTypeHeaderValue "application/octet-stream"
    content.Headers.Add("Inference-Header-Content-Length", string head.Length)
    client.PostAsync("/v2/models/disc/infer", content).Result

let private output (found: JsonElement) (name: string) =
    found.GetProperty("outputs").EnumerateArray()
    |> Seq.find (fun output -> output.GetProperty("name").GetString() = name)

let private shape (output: JsonElement) =
    [ for size in output.GetProperty("shape").EnumerateArray() -> size.GetInt32() ]

let private expected =
    lazy Outcome.ok (Engine.segment engine None Marking.standard picture.Value)

let tests =
    testList
        "InferAnswer"
        [
            test "the protocol's addresses describe the model" {
                within settings model (fun client ->
                    for path in [ "/v2"; "/v2/health/live"; "/v2/health/ready"; "/v2/models/disc/ready" ] do
                        Expect.equal (int (client.GetAsync path).Result.StatusCode) 200 path

                    let found = jsonOf (client.GetAsync("/v2/models/disc").Result)
                    let input = found.GetProperty("inputs")[0]
                    Expect.equal (input.GetProperty("datatype").GetString()) "UINT8" "the input"
                    Expect.equal (shape input) [ 1; -1; -1; 3 ] "its shape"
                    Expect.equal (fst (refusalOf (client.GetAsync("/v2/models/other").Result))) 404 "another")
            }

            test "numbers in, numbers out" {
                within settings model (fun client ->
                    let found = jsonOf (ask client (numbers () ""))
                    Expect.equal (found.GetProperty("id").GetString()) "7" "the id"
                    let labels = output found "labels"
                    Expect.equal (shape labels) [ 1; 64; 96 ] "labels"

                    let values =
                        [|
                            for value in labels.GetProperty("data").EnumerateArray() -> value.GetByte()
                        |]

                    Expect.sequenceEqual values expected.Value.Upright.Labels "the labels"
                    Expect.equal (shape (output found "probabilities")) [ 1; 2; 64; 96 ] "probabilities")
            }

            test "bytes in, bytes out" {
                within settings model (fun client ->
                    let data = $"\"parameters\": {{ \"binary_data_size\": {picture.Value.Rgb.Length} }}"

                    let asked =
                        requestOf
                            data
                            """, "outputs": [{ "name": "labels", "parameters": { "binary_data": true } }]"""

                    let response = askBinary client asked picture.Value.Rgb

                    let length =
                        response.Headers.GetValues "Inference-Header-Content-Length" |> Seq.head |> int

                    let bytes = bytesOf response

                    let labels =
                        output
                            (JsonDocument.Parse(Encoding.UTF8.GetString bytes[.. length - 1]).RootElement)
                            "labels"

                    let size =
                        labels.GetProperty("parameters").GetProperty("binary_data_size").GetInt32()

                    Expect.equal size (64 * 96) "what is announced"
                    Expect.sequenceEqual bytes[length..] expected.Value.Upright.Labels "the labels")
            }

            test "parameters decide the marking" {
                within settings model (fun client ->
                    let found =
                        jsonOf (ask client (numbers () """, "parameters": { "threshold": 0.9 } """))

                    let marked =
                        [
                            for value in (output found "labels").GetProperty("data").EnumerateArray() ->
                                value.GetInt32()
                        ]
                        |> List.sum

                    let byDefault = expected.Value.Upright.Labels |> Array.sumBy int
                    Expect.isLessThan marked byDefault "less is marked"
                    Expect.isGreaterThan marked 0 "something is")
            }

            test "what is no such request is refused" {
                within settings model (fun client ->
                    for what, response in
                        [
                            "no JSON", ask client "image"
                            "no input", ask client """{ "inputs": [] }"""
                            "too few numbers", ask client (requestOf "\"data\": [1, 2]" "")
                            "no number", ask client (requestOf "\"data\": [\"a\"]" "")
                            "too few bytes",
                            askBinary
                                client
                                (requestOf "\"parameters\": { \"binary_data_size\": 18432 }" "")
                                [| 1uy |]
                            "an unknown output",
                            ask client (numbers () """, "outputs": [{ "name": "depth" }] """)
                            "a text for a shape",
                            ask
                                client
                                """{ "inputs": [{ "name": "image", "datatype": "UINT8", "shape": ["a", 1, 1, 3] }] }"""
                        ] do
                        Expect.equal (fst (refusalOf response)) 400 what

                    let large =
                        """{ "inputs": [{ "name": "image", "datatype": "UINT8", "shape": [1, 30000, 30000, 3], "data": [] }] }"""

                    Expect.equal (fst (refusalOf (ask client large))) 413 "a shape over the limit")
            }
        ]
