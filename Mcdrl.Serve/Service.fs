namespace Mcdrl

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Microsoft.AspNetCore.Builder
open Microsoft.AspNetCore.Hosting
open Microsoft.AspNetCore.Http
open Microsoft.AspNetCore.Routing
open Microsoft.AspNetCore.Server.Kestrel.Core
open Microsoft.Extensions.DependencyInjection
open Microsoft.Extensions.Hosting

/// A model served over HTTP.
[<RequireQualifiedAccess>]
module Service =
    /// Connections at the same time: idle ones, slow ones and those that work.
    let mostConnections = 512L

    /// How long requests under way may take to end when the service stops.
    let private drain = TimeSpan.FromSeconds 30.0

    /// The process's signals are its owner's business.
    let private noSignals =
        { new IHostLifetime with
            member _.WaitForStartAsync _ = Task.CompletedTask
            member _.StopAsync _ = Task.CompletedTask
        }

    let private listen (settings: ServeSettings) (options: KestrelServerOptions) =
        let limits = options.Limits
        options.AddServerHeader <- false
        options.Listen(settings.Address, settings.Port)
        // `Bodies` counts itself: Kestrel would cut the connection before its caller has read why.
        limits.MaxRequestBodySize <- Nullable()
        limits.MaxConcurrentConnections <- mostConnections
        limits.RequestHeadersTimeout <- TimeSpan.FromSeconds 10.0
        limits.MinRequestBodyDataRate <- MinDataRate(1024.0, TimeSpan.FromSeconds 5.0)
        limits.MinResponseDataRate <- MinDataRate(1024.0, TimeSpan.FromSeconds 5.0)

    /// Headers of every answer.
    let private harden (response: HttpResponse) =
        response.Headers.XContentTypeOptions <- "nosniff"
        response.Headers["Referrer-Policy"] <- "no-referrer"
        response.Headers["Cross-Origin-Resource-Policy"] <- "same-origin"
        response.Headers.ContentSecurityPolicy <- PageFiles.policy
        response.Headers.CacheControl <- "no-store"

    let private failed (context: HttpContext) (problem: exn) : Task =
        match problem with
        | :? OperationCanceledException ->
            context.Response.StatusCode <- Problem.callerGone
            Task.CompletedTask
        | :? Microsoft.AspNetCore.Http.BadHttpRequestException as problem ->
            Problem.create problem.StatusCode (problem.Message.TrimEnd '.') "the request" "Send it whole"
            |> Problem.write context
        | _ ->
            Guard.error "the service" problem
            |> Problem.ofError 500
            |> Problem.write context

    /// Lets a request in, answers it, and counts it.
    let private guarded (serving: Serving) (path: string) isOpen (handle: HttpContext -> Task) =
        RequestDelegate(fun context ->
            task {
                let began = Stopwatch.GetTimestamp()
                harden context.Response

                try
                    match Admission.refusal serving.Settings isOpen context.Request with
                    | Some problem ->
                        if problem.Status = 401 then
                            context.Response.Headers.WWWAuthenticate <- "Bearer"

                        do! Problem.write context problem
                    | None -> do! handle context
                with problem ->
                    do! failed context problem

                serving.Metrics.Answered
                    context.Request.Method
                    path
                    context.Response.StatusCode
                    (Stopwatch.GetElapsedTime began).TotalSeconds
            })

    let private pageFile (file: PageFile) (context: HttpContext) : Task =
        context.Response.Headers.CacheControl <- "no-cache"
        context.Response.Headers.ETag <- file.Tag

        if string context.Request.Headers.IfNoneMatch = file.Tag then
            context.Response.StatusCode <- 304
            Task.CompletedTask
        else
            Content.write
                context
                200
                {
                    Type = file.Type
                    Bytes = file.Bytes
                    Headers = []
                }

    /// The name of the page's own file; it is what the service's address without a path shows.
    let private index = "index.html"

    let private map (app: WebApplication) (serving: Serving) =
        let add (methods: string list) (path: string) isOpen handle =
            app.MapMethods(path, methods, guarded serving path isOpen handle) |> ignore

        let endpoints = Endpoints.all serving

        for endpoint in endpoints do
            add [ endpoint.Method ] endpoint.Path endpoint.IsOpen endpoint.Handle

        let description =
            OpenApi.describe serving.Settings.Token.IsSome endpoints |> Content.json

        add [ "GET" ] "/openapi.json" true (fun context -> Content.write context 200 description)

        for file in PageFiles.all do
            add [ "GET"; "HEAD" ] (if file.Name = index then "/" else $"/{file.Name}") true (pageFile file)

        let known =
            [
                "/openapi.json", "GET"
                for endpoint in endpoints do
                    endpoint.Path, endpoint.Method
            ]

        let other (context: HttpContext) =
            let path = string context.Request.Path

            match known |> List.filter (fun (known, _) -> known = path) with
            | [] -> Problem.create 404 "there is nothing here" path "See /openapi.json for what there is"
            | methods ->
                let methods = methods |> List.map snd |> String.concat ", "
                context.Response.Headers.Allow <- methods
                Problem.create 405 $"{context.Request.Method} is not answered here" path $"Use {methods}"
            |> Problem.write context

        app.MapFallback(guarded serving "other" true other) |> ignore

    /// A service of a model, not yet begun. Its engine's threads are shared between the requests that are computed at the same time, until it is
    /// disposed.
    let create (settings: ServeSettings) (model: ServedModel) : WebApplication =
        let builder = WebApplication.CreateEmptyBuilder(WebApplicationOptions())
        builder.WebHost.UseKestrelCore() |> ignore
        builder.Services.AddRoutingCore() |> ignore
        builder.Services.AddSingleton<IHostLifetime> noSignals |> ignore

        builder.Services.Configure<HostOptions>(fun (options: HostOptions) ->
            options.ShutdownTimeout <- drain)
        |> ignore

        builder.WebHost.ConfigureKestrel(Action<KestrelServerOptions>(listen settings))
        |> ignore

        let workers = new Workers(settings.AtOnce, settings.Waiting)

        let bodies =
            Bodies(settings.Limits.MaxBytes, ServeSettings.mostHeld settings, settings.Patience)

        let shared = model.Engine.Share settings.AtOnce
        let app = builder.Build()

        app.Lifetime.ApplicationStopped.Register(fun () ->
            (workers :> IDisposable).Dispose()
            shared.Dispose())
        |> ignore

        map
            app
            {
                Settings = settings
                Model = model
                Workers = workers
                Bodies = bodies
                Metrics = ServeMetrics(workers, bodies)
                IsStopping = fun () -> app.Lifetime.ApplicationStopping.IsCancellationRequested
            }

        app

    /// Serves a model until it is cancelled, and then answers what is under way. `started` is told the address.
    let run
        (settings: ServeSettings)
        (model: ServedModel)
        (started: string -> unit)
        (cancel: CancellationToken)
        : Result<unit, McdrlError> =
        Guard.run $"{settings.Address}:{settings.Port}" (fun () ->
            let serve =
                task {
                    use app = create settings model
                    do! app.StartAsync CancellationToken.None
                    started (Seq.head app.Urls)
                    let stop = TaskCompletionSource()
                    use _stopping = cancel.Register(fun () -> stop.TrySetResult() |> ignore)
                    do! stop.Task
                    do! app.StopAsync CancellationToken.None
                }

            serve.GetAwaiter().GetResult()
            Ok())
