namespace Mcdrl;

/// <summary>Pictures that no file is needed for.</summary>
internal static class Pictures
{
    /// <summary>A black image of a common size as a PNG file.</summary>
    internal static readonly Lazy<ReadOnlyMemory<byte>> Blank = new(() =>
    {
        const int side = 256;
        using var file = new MemoryStream();
        Png.write(file, side, side, null, new byte[side * side]);
        return file.ToArray();
    });
}
