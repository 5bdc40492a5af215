using System.IO.Compression;

namespace Mcdrl;

/// <summary>A model's folder as a zip archive.</summary>
internal static class ModelArchive
{
    private const string Manifest = "mcdrl.json";

    /// <summary>Times that a model's text is larger than its archive at most; its numbers hardly shrink.</summary>
    private const long Expansion = 100;

    /// <summary>The model's files by their names: those beside the topmost manifest.</summary>
    internal static Dictionary<string, ReadOnlyMemory<byte>> Read(Stream stream)
    {
        try
        {
            using var archive = new ZipArchive(stream, ZipArchiveMode.Read, true);
            var manifest = archive.Entries.Where(entry => entry.Name == Manifest).MinBy(entry => entry.FullName.Length);
            var folder = manifest?.FullName[..^Manifest.Length] ?? "";
            var wanted = Bundle.files("").Select(Path.GetFileName).ToHashSet();
            var files = new Dictionary<string, ReadOnlyMemory<byte>>();

            foreach (var entry in archive.Entries.Where(entry => wanted.Contains(entry.Name) && entry.FullName == folder + entry.Name))
            {
                files[entry.Name] = Content(entry);
            }

            return files;
        }
        catch (InvalidDataException problem)
        {
            throw new McdrlModelException([$"the archive: it is no zip file, or damaged ({problem.Message.TrimEnd('.')}). Give a zip of the model's folder, copied whole."]);
        }
    }

    /// <summary>No more bytes than the archive says that there are, nor more than it can hold of a model.</summary>
    private static byte[] Content(ZipArchiveEntry entry)
    {
        if (entry.Length / Expansion > entry.CompressedLength)
        {
            throw new McdrlModelException([$"the archive: {entry.FullName} has {entry.Length} bytes, made of {entry.CompressedLength}, as no file of a model. Give a zip of the model's folder."]);
        }

        if (entry.Length > Array.MaxLength)
        {
            throw new McdrlResourceException([$"the archive: {entry.FullName} has {entry.Length} bytes, more than memory holds in one piece. Load the model's folder instead."]);
        }

        var content = new byte[entry.Length];
        using var stream = entry.Open();

        return stream.ReadAtLeast(content, content.Length, false) == content.Length
            ? content
            : throw new McdrlModelException([$"the archive: {entry.FullName} ends too early. Copy the archive again, whole."]);
    }
}
