namespace Mcdrl

open System.Collections.Generic
open System.Text.Json.Nodes
open System.Text.RegularExpressions

/// The description of a service as OpenAPI 3.1.
[<RequireQualifiedAccess>]
module OpenApi =
    let private text (value: string) : JsonNode | null = JsonValue.Create value

    let private object (fields: (string * (JsonNode | null)) list) =
        JsonObject [ for name, value in fields -> KeyValuePair(name, value) ]

    let private forms (forms: (string * JsonObject) list) =
        object
            [
                for form, schema in forms -> form, object [ "schema", schema.DeepClone() ] :> JsonNode | null
            ]

    let private refusals =
        [
            "400", "The request is wrong: a parameter, a form, a tensor."
            "401", "The service asks for a token, and none or another was shown."
            "403", "A page of another site asked."
            "408", "The body did not arrive in time."
            "413", "The body or the image is over a limit."
            "421", "The service does not go by the name in Host."
            "422", "The body is no image that can be read, or it is damaged."
            "429", "All processors are busy and the queue is full; Retry-After says when to ask again."
            "500", "The service failed."
            "503", "The service is stopping."
        ]

    /// Which refusals an endpoint has besides its own answers: one without a body reads nothing that could be wrong.
    let private refusalsOf (endpoint: ServeEndpoint) =
        refusals
        |> List.filter (fun (status, _) ->
            match status with
            | "401" -> not endpoint.IsOpen
            | "403"
            | "421" -> true
            | "400" -> not (endpoint.Query.IsEmpty && endpoint.Body.IsEmpty)
            | _ -> not endpoint.Body.IsEmpty)

    let private answers (endpoint: ServeEndpoint) =
        let problem =
            [ Problem.contentType, object [ "$ref", text "#/components/schemas/problem" ] ]

        object
            [
                for answer in endpoint.Answers do
                    string answer.Status,
                    object
                        [
                            "description", text answer.Description
                            if not answer.Forms.IsEmpty then
                                "content", forms answer.Forms :> JsonNode | null
                        ]
                    :> JsonNode | null

                for status, description in refusalsOf endpoint do
                    if endpoint.Answers |> List.forall (fun answer -> string answer.Status <> status) then
                        status,
                        object
                            [
                                "description", text description
                                "content", forms problem
                                if status = "429" then
                                    "headers",
                                    Schema.ofText
                                        """{ "Retry-After": { "description": "Seconds.", "schema": { "type": "integer" } } }"""
                                    :> JsonNode | null
                            ]
            ]

    let private parameters (endpoint: ServeEndpoint) =
        JsonArray
            [|
                for found in Regex.Matches(endpoint.Path, @"\{(\w+)\}") do
                    object
                        [
                            "name", text found.Groups[1].Value
                            "in", text "path"
                            "required", JsonValue.Create true
                            "schema", Schema.ofText """{ "type": "string" }"""
                        ]
                    :> JsonNode | null

                for parameter in endpoint.Query do
                    object
                        [
                            "name", text parameter.Name
                            "in", text "query"
                            "description", text parameter.Description
                            "schema", parameter.Schema.DeepClone()
                        ]
                    :> JsonNode | null
            |]

    let private operation hasToken (endpoint: ServeEndpoint) =
        object
            [
                "summary", text endpoint.Summary
                "description", text endpoint.Description
                "operationId",
                text (
                    endpoint.Method.ToLowerInvariant()
                    + Regex.Replace(endpoint.Path, @"[/{}.]+", "_").TrimEnd '_'
                )
                "parameters", parameters endpoint
                if not endpoint.Body.IsEmpty then
                    "requestBody",
                    object [ "required", JsonValue.Create true; "content", forms endpoint.Body ]
                "responses", answers endpoint
                if hasToken && not endpoint.IsOpen then
                    "security", JsonArray [| Schema.ofText """{ "token": [] }""" :> JsonNode | null |]
            ]

    /// The description of these endpoints.
    let describe (hasToken: bool) (endpoints: ServeEndpoint list) : string =
        let paths =
            [
                for path, own in endpoints |> List.groupBy _.Path do
                    path,
                    object
                        [
                            for endpoint in own ->
                                endpoint.Method.ToLowerInvariant(),
                                operation hasToken endpoint :> JsonNode | null
                        ]
                    :> JsonNode | null
            ]

        let document =
            object
                [
                    "openapi", text "3.1.0"
                    "info",
                    object
                        [
                            "title", text "Mcdrl"
                            "version", text Product.release
                            "description",
                            text
                                $"Marks lesions in images, and tells what an answer depends on. {Product.notice}"
                        ]
                    "paths", object paths
                    "components",
                    object
                        [
                            "schemas", object [ "problem", RecordJson.schema typeof<ProblemReport> ]
                            if hasToken then
                                "securitySchemes",
                                Schema.ofText """{ "token": { "type": "http", "scheme": "bearer" } }"""
                        ]
                ]

        document.ToJsonString(System.Text.Json.JsonSerializerOptions(WriteIndented = true))
