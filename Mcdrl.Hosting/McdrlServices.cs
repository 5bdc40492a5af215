using System.Diagnostics;
using Mcdrl;
using Mcdrl.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

// Where whoever adds services finds all that there are to add.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Mcdrl among an application's services.</summary>
public static class McdrlServices
{
    /// <summary>Adds one model for the whole application, as <see cref="IMcdrlModel"/>: loaded at the start, logged, disposed at the
    /// end, and a health check <c>mcdrl</c> that has it segment a small image. Spans and metrics are those of
    /// <see cref="McdrlTelemetry"/>.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Says which model, unless <see cref="McdrlOptions"/> are configured elsewhere.</param>
    /// <returns>The same services.</returns>
    /// <example><code>
    /// builder.Services.AddMcdrl(options => options.OnnxFile = "model.onnx");
    /// builder.Services.AddMcdrl(options => options.Load = _ => McdrlApi.Load("run/model"));
    /// </code></example>
    public static IServiceCollection AddMcdrl(this IServiceCollection services, Action<McdrlOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);

        services.AddOptions<McdrlOptions>()
            .Configure(configure ?? (_ => { }))
            .Validate(
                options => options.Load is not null || !string.IsNullOrWhiteSpace(options.OnnxFile),
                "No model is named. Set McdrlOptions.OnnxFile, or McdrlOptions.Load to what loads one.")
            .ValidateOnStart();

        services.TryAddSingleton(Load);
        services.AddHostedService<ModelStart>();
        services.AddHealthChecks().AddCheck<ModelHealthCheck>("mcdrl");
        return services;
    }

    private static IMcdrlModel Load(IServiceProvider services)
    {
        var options = services.GetRequiredService<IOptions<McdrlOptions>>().Value;
        var logger = services.GetService<ILoggerFactory>()?.CreateLogger("Mcdrl");
        var began = Stopwatch.GetTimestamp();
        var model = options.Load is { } load ? load(services) : McdrlOnnx.Load(options.OnnxFile ?? "", options.Device);
        return logger is null ? model : new LoggedModel(model, logger, Stopwatch.GetElapsedTime(began));
    }
}
