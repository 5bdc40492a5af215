using Microsoft.FSharp.Core;
using SkiaSharp;

namespace Mcdrl;

/// <summary>An image for a model: a file, a stream, the bytes of a file, raw pixels or a bitmap. Paths, streams, arrays of bytes,
/// memory and bitmaps become one by themselves wherever one is asked for.</summary>
public sealed class ImageSource
{
    private readonly Func<ImageLimits, Func<FSharpResult<Picture, McdrlError>>> open;
    private readonly Func<ImageLimits, CancellationToken, Task<Func<FSharpResult<Picture, McdrlError>>>> openAsync;

    private ImageSource(
        string name,
        string? path,
        Func<ImageLimits, Func<FSharpResult<Picture, McdrlError>>> open,
        Func<ImageLimits, CancellationToken, Task<Func<FSharpResult<Picture, McdrlError>>>>? openAsync = null)
    {
        Name = name;
        Path = path;
        this.open = open;
        this.openAsync = openAsync ?? ((limits, _) => Task.FromResult(open(limits)));
    }

    /// <summary>What messages call it: the file's path, or in words what it is.</summary>
    public string Name { get; }

    /// <summary>The file's path; null for what is no file.</summary>
    public string? Path { get; }

    /// <summary>An image file (PNG, JPEG, WebP, BMP or GIF of any size).</summary>
    /// <param name="path">The file. It is read when a model is asked about it.</param>
    public static ImageSource FromFile(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return new(path, path, limits => () => Images.read(limits, path));
    }

    /// <summary>An encoded image, read from where the stream stands to its end: without blocking by the asynchronous calls of a
    /// model, so that the body of a request will do. What reading throws there is passed on. A stream is good for one call, which
    /// leaves it open.</summary>
    /// <param name="image">The stream.</param>
    public static ImageSource FromStream(Stream image)
    {
        ArgumentNullException.ThrowIfNull(image);
        const string Name = "the stream";

        // Read to its end by the caller, who may close it as soon as it has cancelled.
        return new(
            Name,
            null,
            limits =>
            {
                var bytes = Images.bytesOf(limits, Name, image).OrThrow();
                return () => Images.decode(limits, Name, bytes);
            },
            async (limits, cancellationToken) =>
            {
                var read = await Images.bytesOfAsync(limits, Name, image, cancellationToken).ConfigureAwait(false);
                var bytes = read.OrThrow();
                return () => Images.decode(limits, Name, bytes);
            });
    }

    /// <summary>An encoded image in memory.</summary>
    /// <param name="image">The bytes of an image file. They are read when a model is asked about them.</param>
    public static ImageSource FromBytes(ReadOnlyMemory<byte> image)
    {
        const string Name = "the image in memory";

        return new(Name, null, limits =>
        {
            var bytes = image.ToArray();
            return () => Images.decode(limits, Name, bytes);
        });
    }

    /// <summary>Pixels in memory, upright. They are copied at once; alpha is ignored.</summary>
    /// <param name="pixels">Rows from top to bottom.</param>
    /// <param name="layout">How they lie.</param>
    /// <exception cref="ArgumentException">The layout makes no sense, or the pixels are fewer than it says.</exception>
    public static ImageSource FromPixels(ReadOnlySpan<byte> pixels, PixelLayout layout)
    {
        var picture = layout.Read(pixels);
        return FromPicture("the pixels", picture);
    }

    /// <summary>A bitmap, upright. It is copied at once; alpha is ignored.</summary>
    /// <param name="bitmap">A bitmap with pixels, of whatever colour type.</param>
    /// <exception cref="ArgumentException">The bitmap has no pixels.</exception>
    public static ImageSource FromBitmap(SKBitmap bitmap)
    {
        ArgumentNullException.ThrowIfNull(bitmap);
        using var pixels = bitmap.PeekPixels()
            ?? throw new ArgumentException("The bitmap has no pixels.", nameof(bitmap));

        using var rgba = new SKBitmap(new SKImageInfo(bitmap.Width, bitmap.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        using var target = rgba.PeekPixels();

        if (!pixels.ReadPixels(target))
        {
            throw new ArgumentException($"The bitmap's pixels can't be read as colours ({bitmap.ColorType}).", nameof(bitmap));
        }

        var layout = new PixelLayout(rgba.Width, rgba.Height, PixelFormat.Rgba32, rgba.RowBytes);
        return FromPicture("the bitmap", layout.Read(rgba.GetPixelSpan()));
    }

    /// <summary><see cref="FromFile"/>.</summary>
    /// <param name="path">The file.</param>
    public static implicit operator ImageSource(string path)
    {
        return FromFile(path);
    }

    /// <summary><see cref="FromStream"/>.</summary>
    /// <param name="image">The stream.</param>
    public static implicit operator ImageSource(Stream image)
    {
        return FromStream(image);
    }

    /// <summary><see cref="FromBytes"/>.</summary>
    /// <param name="image">The bytes of an image file.</param>
    public static implicit operator ImageSource(ReadOnlyMemory<byte> image)
    {
        return FromBytes(image);
    }

    /// <summary><see cref="FromBytes"/>.</summary>
    /// <param name="image">The bytes of an image file.</param>
    public static implicit operator ImageSource(byte[] image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return FromBytes(image);
    }

    /// <summary><see cref="FromBitmap"/>.</summary>
    /// <param name="bitmap">A bitmap with pixels.</param>
    public static implicit operator ImageSource(SKBitmap bitmap)
    {
        return FromBitmap(bitmap);
    }

    /// <summary><see cref="Name"/>.</summary>
    public override string ToString() => Name;

    /// <summary>What is left to do once what is the caller's has been read: done by whichever thread does the work.</summary>
    internal Func<FSharpResult<Picture, McdrlError>> Open(ImageLimits limits) => open(limits);

    /// <summary><see cref="Open"/> without blocking.</summary>
    internal Task<Func<FSharpResult<Picture, McdrlError>>> OpenAsync(ImageLimits limits, CancellationToken cancellationToken) =>
        openAsync(limits, cancellationToken);

    private static ImageSource FromPicture(string name, Picture picture) =>
        new(name, null, limits =>
        {
            ImageLimitsModule.check(limits, name, picture.Width, picture.Height).OrThrow();
            return () => FSharpResult<Picture, McdrlError>.NewOk(picture);
        });
}
