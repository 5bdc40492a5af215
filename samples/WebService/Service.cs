using System.Text.Json.Serialization;
using System.Threading.RateLimiting;
using Mcdrl;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.RateLimiting;

namespace WebService;

/// <summary>An image in, a mask out. Research software, not for clinical use.</summary>
public static class Service
{
    /// <summary>The application. Settings: <c>Model</c>, a model's folder or an exported .onnx file, without it the embedded model;
    /// <c>MaxBytes</c> and <c>MaxPixels</c> of an upload; <c>AtOnce</c> and <c>Waiting</c>, how many uploads are worked on and how
    /// many wait.</summary>
    public static WebApplication Create(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        var settings = builder.Configuration;
        var most = settings.GetValue("MaxPixels", 25_000_000L);

        builder.Services.AddMcdrl(options => options.Load = _ => Load(settings["Model"]));
        builder.Services.AddProblemDetails();
        builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.Converters.Add(new JsonStringEnumConverter()));
        builder.WebHost.ConfigureKestrel(server => server.Limits.MaxRequestBodySize = settings.GetValue("MaxBytes", 20_000_000L));

        builder.Services.AddRateLimiter(limiter =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status503ServiceUnavailable;

            limiter.AddConcurrencyLimiter("images", queue =>
            {
                queue.PermitLimit = settings.GetValue("AtOnce", Environment.ProcessorCount);
                queue.QueueLimit = settings.GetValue("Waiting", 32);
                queue.QueueProcessingOrder = QueueProcessingOrder.OldestFirst;
            });
        });

        var app = builder.Build();
        app.UseExceptionHandler(errors => errors.Run(Refuse));
        app.UseRateLimiter();
        app.MapHealthChecks("/health");
        app.MapGet("/model", (IMcdrlModel model) => model.Info);

        app.MapPost("/segment", async (
            HttpRequest request, IMcdrlModel model, string? answer, double? threshold, long? minArea, CancellationToken cancelled) =>
        {
            var options = new SegmentOptions { Threshold = threshold, MinArea = minArea ?? 0, MaxPixels = most };
            var found = await model.SegmentAsync(request.Body, options, cancelled);

            return answer switch
            {
                null or "mask" => Results.Bytes(found.EncodeMask(), "image/png"),
                "overlay" => Results.Bytes(found.EncodeOverlay(), "image/png"),
                "probability" => Results.Bytes(found.EncodeProbability(), "image/png"),
                "json" => Results.Text(found.ToJson(), "application/json"),
                _ => Results.Problem("answer is mask, overlay, probability or json.", statusCode: StatusCodes.Status400BadRequest),
            };
        }).RequireRateLimiting("images");

        return app;
    }

    private static McdrlModel Load(string? model) =>
        model is null ? McdrlApi.LoadEmbedded()
        : model.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) ? McdrlApi.LoadOnnx(model)
        : McdrlApi.Load(model, "auto");

    /// <summary>Whose fault it is decides the status; what is the server's own is told to its log alone.</summary>
    private static Task Refuse(HttpContext context)
    {
        var problem = context.Features.Get<IExceptionHandlerFeature>()!.Error;

        var (status, detail) = problem switch
        {
            McdrlDataException or McdrlUsageException => (StatusCodes.Status400BadRequest, problem.Message),
            McdrlResourceException => (StatusCodes.Status413PayloadTooLarge, problem.Message),
            BadHttpRequestException bad => (bad.StatusCode, bad.Message),
            _ => (StatusCodes.Status500InternalServerError, null),
        };

        return Results.Problem(detail, statusCode: status).ExecuteAsync(context);
    }
}
