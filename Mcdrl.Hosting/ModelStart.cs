using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Mcdrl.Hosting;

/// <summary>Loads the model while the application starts.</summary>
internal sealed class ModelStart(IServiceProvider services, IOptions<McdrlOptions> options) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) =>
        options.Value.LoadAtStart
            ? Task.Run(services.GetRequiredService<IMcdrlModel>, cancellationToken)
            : Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
