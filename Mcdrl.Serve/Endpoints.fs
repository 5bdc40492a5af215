namespace Mcdrl

open System
open System.IO
open System.Text.Json.Nodes
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Http

/// A model being served.
[<NoComparison; NoEquality>]
type Serving =
    {
        /// How.
        Settings: ServeSettings
        /// What.
        Model: ServedModel
        /// What computes.
        Workers: Workers
        /// What is being read.
        Bodies: Bodies
        /// What is counted.
        Metrics: ServeMetrics
        /// Whether the service is ending: requests under way are answered, and no others.
        IsStopping: unit -> bool
    }

/// What `GET /health` answers.
type HealthReport =
    {
        /// The process runs: always.
        Live: bool
        /// It takes requests.
        Ready: bool
        /// Requests that are computed.
        Working: int64
        /// Requests that wait.
        Waiting: int64
    }

/// The addresses of a service. Whatever is here is what OpenAPI tells, and the other way round.
[<RequireQualifiedAccess>]
module Endpoints =
    let private jsonType, private pngType = "application/json", "image/png"

    let private parameter name description schema : QueryParameter =
        {
            Name = name
            Description = description
            Schema = Schema.ofText schema
        }

    let private answer status description forms : PossibleAnswer =
        {
            Status = status
            Description = description
            Forms = forms
        }

    let private get path summary description answers handle : ServeEndpoint =
        {
            Method = "GET"
            Path = path
            Summary = summary
            Description = description
            Query = []
            Body = []
            Answers = answers
            IsOpen = false
            Handle = handle
        }

    /// Reads the body, waits for a processor, computes, and answers. Whoever goes meanwhile leaves the queue.
    let private computed
        (serving: Serving)
        (context: HttpContext)
        (understand:
            byte[] -> Task<Result<CancellationToken -> Result<Content, ProblemReport>, ProblemReport>>)
        : Task =
        let workers = serving.Workers

        let busy () =
            Error(
                Problem.create
                    429
                    "all processors are busy and the queue is full"
                    "the service"
                    "Send it again after the seconds that Retry-After says"
            )

        task {
            let! outcome =
                if workers.IsFull then
                    Task.FromResult(busy ())
                else
                    serving.Bodies.Reading context (fun body ->
                        task {
                            match! understand body with
                            | Error problem -> return Error problem
                            | Ok job ->
                                let cancel = context.RequestAborted

                                match! workers.Run cancel (fun () -> job cancel) with
                                | Some answer -> return answer
                                | None -> return busy ()
                        })

            match outcome with
            | Ok content -> do! Content.write context 200 content
            | Error problem ->
                if problem.Status = 429 then
                    context.Response.Headers.RetryAfter <- string workers.RetryAfter

                do! Problem.write context problem
        }

    let private understood (context: HttpContext) modes outputs job =
        fun (body: byte[]) ->
            task {
                match ImageQuery.read modes outputs context.Request.Query with
                | Error problem -> return Error(Problem.ofRequest problem)
                | Ok query ->
                    let! image = SentImage.ofBody context.Request.ContentType body
                    return image |> Result.map (fun image -> job query image)
            }

    let private queryOf (model: ServedModel) outputs what : QueryParameter list =
        let names =
            model.Modes
            |> List.map (Marginalisation.name >> sprintf "\"%s\"")
            |> String.concat ", "

        [
            parameter
                "output"
                $"""What to answer with: one of {String.concat ", " outputs}, or several with commas. {what}"""
                $"""{{ "type": "string", "default": "{List.head outputs}" }}"""
            parameter
                "mode"
                "How to intervene. Default: the model's own way."
                $"""{{ "type": "string", "enum": [{names}] }}"""
            parameter
                "threshold"
                "Mark pixels that show a lesion with at least this probability. Default: each pixel's most probable class."
                """{ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }"""
            parameter
                "min_area"
                "Don't mark regions of fewer pixels. 0: what the model says; 1: regions of any size."
                """{ "type": "integer", "minimum": 0, "default": 0 }"""
            parameter
                "name"
                "What the image is called, for the report and the names of files in it. Default: the name in the form, or image."
                """{ "type": "string" }"""
        ]

    let private imageBody () =
        [
            "application/octet-stream", Schema.binary ()
            "multipart/form-data",
            Schema.ofText
                """{ "type": "object", "properties": { "image": { "type": "string", "format": "binary" } }, "required": ["image"] }"""
        ]

    let private imageAnswers description =
        [
            answer
                200
                description
                [ jsonType, RecordJson.schema typeof<ImageReport>; pngType, Schema.binary () ]
        ]

    let private segment (serving: Serving) : ServeEndpoint =
        let model, limits = serving.Model, serving.Settings.Limits
        let outputs = ImageAnswers.segmentOutputs

        {
            Method = "POST"
            Path = "/segment"
            Summary = "Marks lesions in an image"
            Description =
                "The image (PNG, JPEG, WebP, BMP, GIF, TIFF) is the whole body, or a file in a form. One output is answered as itself: `json` the report that `mcdrl segment` writes, `mask` a palette PNG of labels, `overlay` a PNG to look at, `probability` P(lesion) as a 16-bit grey PNG, `picture` the upright picture as a PNG, `coco` the regions in COCO's format. Several, such as `both` (`json,mask`), are one JSON object with a key for each and files in base64, since every client reads JSON and few read multipart answers; there `maps` gives the network's own probabilities, float32, little-endian, [classes + 1, S, S]."
            Query = queryOf model outputs "both is json,mask. maps stands in an object even alone."
            Body = imageBody ()
            Answers = imageAnswers "The answer."
            IsOpen = false
            Handle =
                fun context ->
                    understood context model.Modes outputs (fun query image cancel ->
                        ImageAnswers.segment model.Engine limits query image serving.Metrics.Segmented cancel)
                    |> computed serving context
        }

    let private explain (serving: Serving) : ServeEndpoint =
        let model, limits = serving.Model, serving.Settings.Limits
        let outputs = ImageAnswers.explainOutputs

        {
            Method = "POST"
            Path = "/explain"
            Summary = "Tells what an answer depends on"
            Description =
                "As /segment, with the answer under every imaging condition alone, how much each matters, and where they disagree. `json` is the report with its explanation, `sheet` one picture that shows it all, `files` a JSON object of the maps and masks that the report names, in base64. A model exported to ONNX can't tell (501)."
            Query = queryOf model outputs "files stands in an object even alone."
            Body = imageBody ()
            Answers =
                imageAnswers "The answer."
                @ [
                    answer
                        501
                        "The model can't explain."
                        [ Problem.contentType, RecordJson.schema typeof<ProblemReport> ]
                ]
            IsOpen = false
            Handle =
                fun context ->
                    if model.Engine.Explain.IsNone then
                        Problem.create
                            501
                            "an exported model can't explain its answers"
                            "the model"
                            "Serve the model's folder instead"
                        |> Problem.write context
                    else
                        understood context model.Modes outputs (fun query image cancel ->
                            ImageAnswers.explain
                                model.Engine
                                limits
                                query
                                image
                                serving.Metrics.Segmented
                                cancel)
                        |> computed serving context
        }

    let private describeModel (serving: Serving) =
        get
            "/model"
            "What the model is"
            "Its classes and modes, the conditions that it knows, and the limits of this service."
            [ answer 200 "The model." [ jsonType, RecordJson.schema typeof<ModelReport> ] ]
            (fun context ->
                ServedModel.report serving.Settings.Limits serving.Model
                |> Content.ofRecord
                |> Content.write context 200)

    let private health (serving: Serving) =
        let form = [ jsonType, RecordJson.schema typeof<HealthReport> ]

        { get
              "/health"
              "Whether it takes requests"
              "How many requests are computed and wait. Needs no token."
              [ answer 200 "It takes requests." form; answer 503 "It is stopping." form ]
              (fun context ->
                  let isReady = not (serving.IsStopping())

                  {
                      Live = true
                      Ready = isReady
                      Working = serving.Workers.Working
                      Waiting = serving.Workers.Waiting
                  }
                  |> Content.ofRecord
                  |> Content.write context (if isReady then 200 else 503)) with
            IsOpen = true
        }

    let private metrics (serving: Serving) =
        get
            "/metrics"
            "Figures for Prometheus"
            "Requests and how long they took, the queue, memory, as Prometheus reads them."
            [
                answer 200 "The figures." [ "text/plain", Schema.ofText """{ "type": "string" }""" ]
            ]
            (fun context ->
                task {
                    use memory = new MemoryStream()
                    do! serving.Metrics.Write memory

                    do!
                        Content.write
                            context
                            200
                            {
                                Type = "text/plain; version=0.0.4; charset=utf-8"
                                Bytes = memory.ToArray()
                                Headers = []
                            }
                })

    let private ofNode (context: HttpContext) (node: JsonObject) =
        Content.write context 200 (Content.json (node.ToJsonString()))

    let private anObject () =
        Schema.ofText """{ "type": "object" }"""

    /// The name in the address is the model's, and the version, where it is there, the one that there is.
    let private ofModel (serving: Serving) (handle: HttpContext -> Task) (context: HttpContext) : Task =
        match string context.Request.RouteValues["name"] with
        | name when name = serving.Model.Name -> handle context
        | other ->
            Problem.create 404 "there is no model of that name" other $"Ask for {serving.Model.Name}"
            |> Problem.write context

    let private protocol (serving: Serving) : ServeEndpoint list =
        let model = serving.Model
        let path = "/v2/models/{name}"

        let probe path summary isWell =
            { get
                  path
                  summary
                  "KServe's inference protocol, version 2. Needs no token."
                  [ answer 200 "Yes." []; answer 503 "No: it is stopping." [] ]
                  (fun context ->
                      context.Response.StatusCode <- if isWell () then 200 else 503
                      Task.CompletedTask) with
                IsOpen = true
            }

        let isReady () = not (serving.IsStopping())

        let shape (sizes: int list) : JsonNode | null =
            JsonArray [| for size in sizes -> JsonValue.Create size :> JsonNode | null |]

        let tensor (name: string) (kind: string) sizes : JsonNode | null =
            let found = JsonObject()
            found.Add("name", JsonValue.Create name)
            found.Add("datatype", JsonValue.Create kind)
            found.Add("shape", shape sizes)
            found

        let texts (words: string list) : JsonNode | null =
            JsonArray [| for word in words -> JsonValue.Create word :> JsonNode | null |]

        let server context =
            let found = JsonObject()
            found.Add("name", JsonValue.Create "mcdrl")
            found.Add("version", JsonValue.Create Product.release)
            found.Add("extensions", texts [ "binary_tensor_data" ])
            ofNode context found

        let metadata context =
            let found = JsonObject()
            found.Add("name", JsonValue.Create model.Name)
            found.Add("versions", texts [ InferAnswer.version ])
            found.Add("platform", JsonValue.Create model.Platform)
            found.Add("inputs", JsonArray [| tensor InferRequest.image "UINT8" [ 1; -1; -1; 3 ] |])

            found.Add(
                "outputs",
                JsonArray
                    [|
                        tensor InferRequest.labels "UINT8" [ 1; -1; -1 ]
                        tensor
                            InferRequest.probabilities
                            "FP32"
                            [ 1; model.Engine.Classes.Length + 1; -1; -1 ]
                    |]
            )

            ofNode context found

        let lengthOf (context: HttpContext) =
            match context.Request.Headers.TryGetValue InferAnswer.headerLength with
            | false, _ -> Ok None
            | true, values ->
                match Int32.TryParse(string values) with
                | true, length -> Ok(Some length)
                | false, _ ->
                    Error(
                        Problem.create
                            400
                            "it is not a number"
                            InferAnswer.headerLength
                            "Say how many bytes the JSON has"
                    )

        let infer (context: HttpContext) =
            computed serving context (fun body ->
                lengthOf context
                |> Result.map (fun length (_: CancellationToken) ->
                    InferAnswer.answer model serving.Settings.Limits length body serving.Metrics.Segmented)
                |> Task.FromResult)

        [
            { get
                  "/v2"
                  "What serves"
                  "KServe's inference protocol, version 2."
                  [ answer 200 "The server." [ jsonType, anObject () ] ]
                  server with
                IsOpen = true
            }
            probe "/v2/health/live" "Whether the process runs" (fun () -> true)
            probe "/v2/health/ready" "Whether it takes requests" isReady
            get
                path
                "The model's tensors"
                "KServe's inference protocol, version 2: names, types and shapes of its input and outputs."
                [
                    answer 200 "The model." [ jsonType, anObject () ]
                    answer
                        404
                        "There is no model of that name."
                        [ Problem.contentType, RecordJson.schema typeof<ProblemReport> ]
                ]
                (ofModel serving metadata)
            probe $"{path}/ready" "Whether the model takes requests" isReady
            { get
                  $"{path}/infer"
                  "Infers"
                  "KServe's inference protocol, version 2: an image as UINT8 [1, height, width, 3] named image; labels as UINT8 [1, height, width] and probabilities as FP32 [1, classes + 1, height, width], background first. Tensors stand in the JSON or, with the extension for binary tensors, behind it. Parameters: mode, threshold, min_area."
                  [
                      answer
                          200
                          "The outputs."
                          [ jsonType, anObject (); "application/octet-stream", Schema.binary () ]
                      answer
                          404
                          "There is no model of that name."
                          [ Problem.contentType, RecordJson.schema typeof<ProblemReport> ]
                  ]
                  (ofModel serving infer) with
                Method = "POST"
                Body = [ jsonType, anObject (); "application/octet-stream", Schema.binary () ]
            }
        ]

    /// All but the page and the description of these.
    let all (serving: Serving) : ServeEndpoint list =
        [
            segment serving
            explain serving
            describeModel serving
            health serving
            metrics serving
            yield! protocol serving
        ]
