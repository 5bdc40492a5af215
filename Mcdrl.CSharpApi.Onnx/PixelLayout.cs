namespace Mcdrl;

/// <summary>What the bytes of a pixel are.</summary>
public enum PixelFormat
{
    /// <summary>Red, green, blue.</summary>
    Rgb24,

    /// <summary>Red, green, blue, alpha; alpha is ignored.</summary>
    Rgba32,

    /// <summary>Blue, green, red, as many cameras and OpenCV have them.</summary>
    Bgr24,

    /// <summary>Blue, green, red, alpha, as Windows and many video decoders have them; alpha is ignored.</summary>
    Bgra32,

    /// <summary>One byte of brightness.</summary>
    Gray8,
}

/// <summary>How the pixels of an image lie in memory: rows from top to bottom, 8 bits a channel.</summary>
/// <param name="Width">Pixels a row, from 1.</param>
/// <param name="Height">Rows, from 1.</param>
/// <param name="Format">What the bytes of a pixel are.</param>
/// <param name="Stride">Bytes from the beginning of a row to that of the next; 0 where rows follow each other without a gap.</param>
public readonly record struct PixelLayout(int Width, int Height, PixelFormat Format, int Stride = 0)
{
    /// <summary>The pixels as a picture of their own.</summary>
    internal Picture Read(ReadOnlySpan<byte> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Height, 1);
        var (step, red, green, blue) = Channels();
        var row = (long)Width * step;

        if (Stride != 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(Stride, row, nameof(Stride));
        }

        var stride = Stride == 0 ? row : Stride;
        var needed = (stride * (Height - 1)) + row;

        if (pixels.Length < needed)
        {
            throw new ArgumentException(
                $"{Width} x {Height} pixels of {Format} with {stride} bytes a row are {needed} bytes, and there are {pixels.Length}.",
                nameof(pixels));
        }

        var rgb = new byte[(long)Width * Height * 3];
        var target = 0;

        for (var y = 0; y < Height; y++)
        {
            var source = pixels.Slice((int)(y * stride), (int)row);

            for (var x = 0; x < source.Length; x += step)
            {
                rgb[target++] = source[x + red];
                rgb[target++] = source[x + green];
                rgb[target++] = source[x + blue];
            }
        }

        return new Picture(Width, Height, rgb, Orientation.TopLeft);
    }

    /// <summary>Bytes a pixel, and which of them are red, green and blue.</summary>
    private (int Step, int Red, int Green, int Blue) Channels() => Format switch
    {
        PixelFormat.Rgb24 => (3, 0, 1, 2),
        PixelFormat.Rgba32 => (4, 0, 1, 2),
        PixelFormat.Bgr24 => (3, 2, 1, 0),
        PixelFormat.Bgra32 => (4, 2, 1, 0),
        PixelFormat.Gray8 => (1, 0, 0, 0),
        _ => throw new ArgumentOutOfRangeException(nameof(Format), Format, "There is no such format."),
    };
}
