using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Mcdrl.Hosting;

/// <summary>Whether the model answers: it segments a small image of its own.</summary>
internal sealed class ModelHealthCheck(IServiceProvider services) : IHealthCheck
{
    private static readonly PixelLayout probe = new(64, 64, PixelFormat.Gray8);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            var model = services.GetRequiredService<IMcdrlModel>();
            var image = ImageSource.FromPixels(new byte[64 * 64], probe);
            await model.SegmentAsync(image, cancellationToken).ConfigureAwait(false);
            return HealthCheckResult.Healthy(model.Info.ToString());
        }
        catch (Exception problem) when (problem is McdrlException or ObjectDisposedException)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, problem.Message, problem);
        }
    }
}
