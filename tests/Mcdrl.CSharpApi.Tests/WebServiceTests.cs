using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using WebService;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>The sample, behind a socket that is a file, since tests have no network. Its server forbids synchronous reads and writes,
/// as all do by default.</summary>
public sealed class WebServiceTests(TinyModel tiny) : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("mcdrl-").FullName;
    private WebApplication service = null!;
    private HttpClient client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task<(WebApplication Service, HttpClient Client)> Start(params string[] settings)
    {
        var socket = Path.Combine(folder, Guid.NewGuid().ToString("N"));

        var started = Service.Create(
            [$"--urls=http://unix:{socket}", "--MaxBytes=100000", "--MaxPixels=5000", "--Logging:LogLevel:Default=None", .. settings]);

        await started.StartAsync(Token);

        var handler = new SocketsHttpHandler
        {
            Expect100ContinueTimeout = Timeout.InfiniteTimeSpan,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellationToken);
                return new NetworkStream(connection, true);
            },
        };

        return (started, new HttpClient(handler) { BaseAddress = new Uri("http://localhost") });
    }

    public async ValueTask InitializeAsync() => (service, client) = await Start($"--Model={tiny.Bundle}", "--AtOnce=2");

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await service.StopAsync(CancellationToken.None);
        await service.DisposeAsync();
        Directory.Delete(folder, true);
    }

    private Task<HttpResponseMessage> Post(string path, byte[] image) => Send(client, path, new ByteArrayContent(image), Token);

    /// <summary>Sends a body as soon as the server asks for it, so that it can refuse one unread.</summary>
    private static async Task<HttpResponseMessage> Send(HttpClient caller, string path, HttpContent body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = body };
        request.Headers.ExpectContinue = true;
        return await caller.SendAsync(request, cancellationToken);
    }

    private static async Task<string> Detail(HttpResponseMessage answer) =>
        (await answer.Content.ReadFromJsonAsync<JsonObject>(Token))!["detail"]!.GetValue<string>();

    [Fact]
    public async Task An_upload_becomes_a_mask_an_overlay_probabilities_or_json()
    {
        using var model = tiny.Load();
        var image = await File.ReadAllBytesAsync(tiny.Image, Token);
        var expected = model.Segment(image);

        foreach (var (path, picture) in new[]
        {
            ("segment", expected.EncodeMask()),
            ("segment?answer=mask", expected.EncodeMask()),
            ("segment?answer=overlay", expected.EncodeOverlay()),
            ("segment?answer=probability", expected.EncodeProbability()),
        })
        {
            using var answer = await Post(path, image);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("image/png", answer.Content.Headers.ContentType!.MediaType);
            Assert.Equal(picture, await answer.Content.ReadAsByteArrayAsync(Token));
        }

        using var told = await Post("segment?answer=json&threshold=0.4&minArea=3", image);
        var report = await told.Content.ReadFromJsonAsync<JsonObject>(Token);
        Assert.Equal((0.4, 3, 50), (report!["threshold"]!.GetValue<double>(), report["min_area"]!.GetValue<int>(), report["width"]!.GetValue<int>()));
    }

    [Fact]
    public async Task What_is_wrong_with_an_upload_has_a_status_and_words()
    {
        var image = await File.ReadAllBytesAsync(tiny.Image, Token);
        using var cut = await Post("segment", image[..^40]);
        Assert.Equal(HttpStatusCode.BadRequest, cut.StatusCode);
        Assert.StartsWith("the stream: ", await Detail(cut));

        using var threshold = await Post("segment?threshold=2", image);
        Assert.Equal(HttpStatusCode.BadRequest, threshold.StatusCode);
        Assert.StartsWith("SegmentOptions.Threshold: ", await Detail(threshold));

        using var asked = await Post("segment?answer=wisdom", image);
        Assert.Equal(HttpStatusCode.BadRequest, asked.StatusCode);

        using var pixels = await Post("segment", TinyModel.Picture(100, 51));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, pixels.StatusCode);

        using var bytes = await Post("segment", new byte[100_001]);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, bytes.StatusCode);
    }

    [Fact]
    public async Task It_says_that_it_is_well_and_what_its_model_is()
    {
        Assert.Equal("Healthy", await client.GetStringAsync(new Uri("health", UriKind.Relative), Token));
        var info = await client.GetFromJsonAsync<JsonObject>(new Uri("model", UriKind.Relative), Token);
        Assert.Equal("ulcer", info!["classes"]![1]!.GetValue<string>());
        using var model = McdrlApi.Load(tiny.Bundle);
        Assert.Equal(model.Info.Mode.ToString(), info["mode"]!.GetValue<string>());
    }

    [Fact]
    public async Task Uploads_beyond_the_limit_are_refused_and_whoever_goes_away_makes_room()
    {
        var (narrow, caller) = await Start($"--Model={tiny.Bundle}", "--AtOnce=1", "--Waiting=0");
        var image = await File.ReadAllBytesAsync(tiny.Image, Token);
        using var gone = new CancellationTokenSource();
        var body = new HeldContent();
        var held = Send(caller, "segment", body, gone.Token);

        async Task<bool> Answers(HttpStatusCode status)
        {
            using var answer = await Send(caller, "segment", new ByteArrayContent(image), Token);
            return answer.StatusCode == status;
        }

        await body.Begun.Task.WaitAsync(Token);
        Assert.True(await Answers(HttpStatusCode.ServiceUnavailable));
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => held);

        while (!await Answers(HttpStatusCode.OK))
        {
            await Task.Delay(20, Token);
        }

        caller.Dispose();
        await narrow.StopAsync(Token);
        await narrow.DisposeAsync();
    }

    [Fact]
    public async Task Without_a_model_of_ones_own_the_embedded_one_answers()
    {
        var (embedded, caller) = await Start();
        Assert.Equal(["polyp"], embedded.Services.GetRequiredService<IMcdrlModel>().Info.Classes);
        Assert.Equal("Healthy", await caller.GetStringAsync(new Uri("health", UriKind.Relative), Token));
        caller.Dispose();
        await embedded.StopAsync(Token);
        await embedded.DisposeAsync();
    }

    /// <summary>An upload that never ends. It begins when the server asks for it, as soon as it is worked on.</summary>
    private sealed class HeldContent : HttpContent
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.WriteAsync(new byte[] { 137 }, cancellationToken);
            await stream.FlushAsync(cancellationToken);
            Begun.SetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
