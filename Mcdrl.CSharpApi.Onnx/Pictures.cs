namespace Mcdrl;

/// <summary>Pictures, and where they are written.</summary>
internal static class Pictures
{
    /// <summary>A black image of a common size as a PNG file.</summary>
    internal static readonly Lazy<ReadOnlyMemory<byte>> Blank = new(() =>
    {
        const int side = 256;
        return Encoded(file => Png.write(file, side, side, null, new byte[side * side]));
    });

    /// <summary>What is written into a stream.</summary>
    internal static byte[] Encoded(Action<Stream> write)
    {
        using var file = new MemoryStream();
        write(file);
        return file.ToArray();
    }

    /// <summary>Writes into a caller's stream, without a seek, and leaves it open.</summary>
    internal static void WriteTo(Stream stream, byte[] picture)
    {
        ArgumentNullException.ThrowIfNull(stream);
        stream.Write(picture);
    }

    /// <summary><see cref="WriteTo"/> without blocking; the picture is made on a thread of the pool.</summary>
    internal static async Task WriteToAsync(Stream stream, Func<byte[]> picture, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var bytes = await Task.Run(picture, cancellationToken).ConfigureAwait(false);
        await stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
    }
}
