module Mcdrl.Tests.OpenApiTests

open System.Net.Http
open System.Text.Json
open Expecto
open Mcdrl
open Mcdrl.Tests.Served

/// Keys that a schema requires and an answer lacks, or that an answer has and the schema doesn't.
let rec private differences place (schema: JsonElement) (value: JsonElement) : string list =
    match schema.TryGetProperty "properties", schema.TryGetProperty "items" with
    | (true, properties), _ when value.ValueKind = JsonValueKind.Object ->
        let keys (element: JsonElement) =
            [ for key in element.EnumerateObject() -> key.Name ]

        [
            for key in List.except (keys value) (keys properties) -> $"{place}.{key} is missing"
            for key in List.except (keys properties) (keys value) -> $"{place}.{key} is unknown"
            for key in keys properties do
                match value.TryGetProperty key with
                | true, inner -> yield! differences $"{place}.{key}" (properties.GetProperty key) inner
                | false, _ -> ()
        ]
    | _, (true, items) when value.ValueKind = JsonValueKind.Array ->
        [
            for item in value.EnumerateArray() do
                yield! differences place items item
        ]
    | _ -> []

let private operations (document: JsonElement) =
    [
        for path in document.GetProperty("paths").EnumerateObject() do
            for operation in path.Value.EnumerateObject() do
                path.Name, operation.Name.ToUpperInvariant(), operation.Value
    ]

let private ask (client: HttpClient) (path: string) method =
    let path = path.Replace("{name}", "disc")

    if method = "GET" then client.GetAsync(path).Result
    elif path.EndsWith "infer" then post client path "{}"B
    else post client path frame

let tests =
    testList
        "OpenApi"
        [
            test "each path in it is answered as it says" {
                within settings model (fun client ->
                    let document = jsonOf (client.GetAsync("/openapi.json").Result)
                    Expect.equal (document.GetProperty("openapi").GetString()) "3.1.0" "its form"
                    let operations = operations document
                    Expect.hasLength operations 11 "all that there is"

                    for path, method, operation in operations do
                        let response = ask client path method
                        let status = string (int response.StatusCode)
                        let answers = operation.GetProperty "responses"

                        match answers.TryGetProperty status with
                        | false, _ -> failtest $"{method} {path} answers {status}, which isn't told"
                        | true, told ->
                            match told.TryGetProperty "content" with
                            | true, forms ->
                                let form =
                                    response.Content.Headers.ContentType |> nonNull |> _.MediaType |> nonNull

                                match forms.TryGetProperty form with
                                | false, _ -> failtest $"{method} {path} answers {form}, which isn't told"
                                | true, told when form = "application/json" ->
                                    Expect.isEmpty
                                        (differences path (told.GetProperty "schema") (jsonOf response))
                                        $"{method} {path}"
                                | true, _ -> ()
                            | false, _ -> ())
            }

            test "every parameter of an image's query is told, and every refusal is a problem" {
                within settings model (fun client ->
                    let document = jsonOf (client.GetAsync("/openapi.json").Result)

                    for path, _, operation in operations document do
                        if path = "/segment" || path = "/explain" then
                            let told =
                                [
                                    for parameter in operation.GetProperty("parameters").EnumerateArray() ->
                                        string (parameter.GetProperty("name").GetString())
                                ]

                            Expect.equal (List.sort told) (List.sort ImageQuery.keys) path

                        for answer in operation.GetProperty("responses").EnumerateObject() do
                            if answer.Name.StartsWith '4' then
                                let forms = answer.Value.GetProperty "content"

                                Expect.isTrue
                                    (fst (forms.TryGetProperty Problem.contentType))
                                    $"{path} {answer.Name}")
            }
        ]
