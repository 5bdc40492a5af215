using SkiaSharp;
using Xunit;

// Calls that take no token are what is tested here.
#pragma warning disable xUnit1051

namespace Mcdrl.CSharpApi.Tests;

public sealed class ImageSourceTests(TinyModel tiny) : IDisposable
{
    private readonly McdrlModel model = tiny.Load();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => model.Dispose();

    /// <summary>The pixels of the image as a format and stride have them; what lies between rows and in alpha is noise.</summary>
    private byte[] Pixels(PixelLayout layout)
    {
        using var bitmap = SKBitmap.Decode(tiny.Image);
        var step = layout.Format is PixelFormat.Gray8 ? 1 : layout.Format is PixelFormat.Rgb24 or PixelFormat.Bgr24 ? 3 : 4;
        var stride = layout.Stride == 0 ? layout.Width * step : layout.Stride;
        var bytes = new byte[stride * layout.Height];
        new Random(1).NextBytes(bytes);

        for (var y = 0; y < layout.Height; y++)
        {
            for (var x = 0; x < layout.Width; x++)
            {
                var colour = bitmap.GetPixel(x, y);
                var at = (y * stride) + (x * step);

                byte[] channels = layout.Format is PixelFormat.Rgb24 or PixelFormat.Rgba32
                    ? [colour.Red, colour.Green, colour.Blue]
                    : [colour.Blue, colour.Green, colour.Red];
                channels.AsSpan(0, Math.Min(step, 3)).CopyTo(bytes.AsSpan(at));
            }
        }

        return bytes;
    }

    [Fact]
    public async Task Two_arguments_are_enough()
    {
        var bytes = await File.ReadAllBytesAsync(tiny.Image, Token);
        var exact = new SegmentOptions { Mode = AdjustmentMode.Exact, MinArea = 5 };
        var mask = model.Segment(tiny.Image).Mask;
        var asked = model.Segment(tiny.Image, exact, Token).Mask;

        Assert.Equal(mask, model.Segment(tiny.Image, Token).Mask);
        Assert.Equal(mask, model.Segment(bytes, Token).Mask);
        Assert.Equal(mask, model.Segment(new MemoryStream(bytes), Token).Mask);
        Assert.Equal(mask, (await model.SegmentAsync(tiny.Image)).Mask);
        Assert.Equal(mask, (await model.SegmentAsync(bytes, Token)).Mask);
        Assert.Equal(mask, model.Explain(bytes, Token).Found.Mask);
        Assert.Equal(mask, (await model.ExplainAsync(tiny.Image, Token)).Found.Mask);
        Assert.Equal(asked, model.Segment(tiny.Image, exact).Mask);
        Assert.Equal(asked, model.Segment(new MemoryStream(bytes), exact).Mask);
        Assert.Equal(asked, (await model.SegmentAsync(bytes, exact)).Mask);
        Assert.Equal(asked, model.Explain(bytes, exact).Found.Mask);
        Assert.Equal(asked, (await model.ExplainAsync(new MemoryStream(bytes), exact)).Found.Mask);
    }

    [Fact]
    public async Task A_stream_that_forbids_to_wait_for_it_is_read_asynchronously()
    {
        var bytes = await File.ReadAllBytesAsync(tiny.Image, Token);
        using var body = new AsynchronousStream(bytes);
        Assert.Equal(model.Segment(tiny.Image).Mask, (await model.SegmentAsync(body, Token)).Mask);
        using var another = new AsynchronousStream(bytes);
        Assert.Equal(model.Segment(tiny.Image).Mask, (await model.ExplainAsync(another, Token)).Found.Mask);

        using var refused = new AsynchronousStream(bytes);
        Assert.ThrowsAny<Exception>(() => model.Segment(refused));
    }

    [Fact]
    public async Task What_reading_a_stream_throws_is_passed_on_and_a_cut_one_is_no_image()
    {
        using var broken = new BrokenStream();
        Assert.Equal("the client went away", (await Assert.ThrowsAsync<IOException>(() => model.SegmentAsync(broken, Token))).Message);

        var bytes = await File.ReadAllBytesAsync(tiny.Image, Token);
        using var cut = new AsynchronousStream(bytes[..^40]);
        await Assert.ThrowsAsync<McdrlDataException>(() => model.SegmentAsync(cut, Token));

        using var cancelled = new AsynchronousStream(bytes);
        using var source = new CancellationTokenSource();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => model.SegmentAsync(cancelled, source.Token));
        Assert.NotNull(model.Segment(tiny.Image));
    }

    [Fact]
    public async Task A_model_that_is_disposed_while_a_stream_is_read_still_answers()
    {
        var expected = model.Segment(tiny.Image).Mask;
        using var held = new HeldStream(await File.ReadAllBytesAsync(tiny.Image, Token));
        var found = model.SegmentAsync(held, Token);
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => model.SegmentAsync(tiny.Image, Token));
        held.Go.SetResult();
        Assert.Equal(expected, (await found).Mask);
    }

    [Theory]
    [InlineData(PixelFormat.Rgb24, 0)]
    [InlineData(PixelFormat.Rgba32, 0)]
    [InlineData(PixelFormat.Bgr24, 160)]
    [InlineData(PixelFormat.Bgra32, 256)]
    public void Pixels_are_the_image_that_they_were_taken_from(PixelFormat format, int stride)
    {
        var layout = new PixelLayout(50, 37, format, stride);
        var pixels = ImageSource.FromPixels(Pixels(layout), layout);
        var expected = model.Segment(tiny.Image);
        var found = model.Segment(pixels);
        Assert.Equal(expected.Mask, found.Mask);
        Assert.Equal(expected.EncodeOverlay(), found.EncodeOverlay());
        Assert.Equal(expected.Mask, model.Segment(pixels, Token).Mask);
    }

    [Fact]
    public void Grey_pixels_have_one_brightness_in_all_channels()
    {
        var grey = new PixelLayout(50, 37, PixelFormat.Gray8, 64);
        var bytes = Pixels(grey);
        byte[] rgb = [.. Enumerable.Range(0, 50 * 37).SelectMany(pixel => Enumerable.Repeat(bytes[(pixel / 50 * 64) + (pixel % 50)], 3))];
        var coloured = ImageSource.FromPixels(rgb, new PixelLayout(50, 37, PixelFormat.Rgb24));
        Assert.Equal(model.Segment(coloured).EncodeOverlay(), model.Segment(ImageSource.FromPixels(bytes, grey)).EncodeOverlay());
    }

    [Fact]
    public void Pixels_are_copied_and_held_to_the_limits()
    {
        var layout = new PixelLayout(50, 37, PixelFormat.Rgb24);
        var bytes = Pixels(layout);
        var source = ImageSource.FromPixels(bytes, layout);
        Array.Clear(bytes);
        Assert.Equal(model.Segment(tiny.Image).Mask, model.Segment(source).Mask);
        Assert.Throws<McdrlResourceException>(() => model.Segment(source, new SegmentOptions { MaxSide = 49 }));
    }

    [Fact]
    public void A_layout_that_makes_no_sense_is_refused()
    {
        var bytes = new byte[50 * 37 * 3];

        foreach (var layout in new[]
        {
            new PixelLayout(0, 37, PixelFormat.Rgb24),
            new PixelLayout(50, -1, PixelFormat.Rgb24),
            new PixelLayout(50, 37, PixelFormat.Rgb24, 149),
            new PixelLayout(50, 37, (PixelFormat)9),
        })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => ImageSource.FromPixels(bytes, layout));
        }

        var message = Assert.Throws<ArgumentException>(
            () => ImageSource.FromPixels(bytes, new PixelLayout(50, 37, PixelFormat.Rgba32))).Message;
        Assert.Contains("7400 bytes", message);
        Assert.NotNull(ImageSource.FromPixels(bytes.AsSpan(0, (36 * 150) + 150), new PixelLayout(50, 37, PixelFormat.Rgb24, 150)));
    }

    [Theory]
    [InlineData(SKColorType.Rgba8888, SKAlphaType.Opaque)]
    [InlineData(SKColorType.Bgra8888, SKAlphaType.Premul)]
    public async Task A_bitmap_of_any_colour_type_is_the_image_that_it_was_made_of(SKColorType colours, SKAlphaType alpha)
    {
        using var decoded = SKBitmap.Decode(tiny.Image);
        using var bitmap = new SKBitmap(new SKImageInfo(50, 37, colours, alpha));
        using var pixels = decoded.PeekPixels();
        using var target = bitmap.PeekPixels();
        Assert.True(pixels.ReadPixels(target));
        var expected = model.Segment(tiny.Image).Mask;
        Assert.Equal(expected, model.Segment(bitmap).Mask);
        var running = model.SegmentAsync(bitmap, Token);
        bitmap.Erase(SKColors.Black);
        Assert.Equal(expected, (await running).Mask);

        using var empty = new SKBitmap();
        Assert.Throws<ArgumentException>(() => model.Segment(empty));
    }

    [Fact]
    public void Nothing_is_no_image()
    {
        Assert.Throws<ArgumentNullException>(() => model.Segment((string)null!, Token));
        Assert.Throws<ArgumentNullException>(() => model.Segment((byte[])null!, Token));
        Assert.Throws<ArgumentNullException>(() => model.Segment((SKBitmap)null!, Token));
        Assert.Throws<ArgumentNullException>(() => ((IMcdrlModel)model).Segment(null!, new SegmentOptions(), Token));
        Assert.Throws<ArgumentNullException>(() => ((IMcdrlModel)null!).Segment(tiny.Image));
        Assert.Equal(tiny.Image, ImageSource.FromFile(tiny.Image).Path);
        Assert.Null(ImageSource.FromBytes(default).Path);
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("the client went away");
    }

    /// <summary>Gives its bytes only when told to.</summary>
    private sealed class HeldStream(byte[] bytes) : MemoryStream(bytes)
    {
        public TaskCompletionSource Go { get; } = new();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Go.Task;
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
