using System.IO.Compression;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public sealed class ModelInMemoryTests(TinyModel tiny)
{
    private Dictionary<string, ReadOnlyMemory<byte>> Files() => Directory.GetFiles(tiny.Bundle)
        .ToDictionary(path => Path.GetFileName(path), path => new ReadOnlyMemory<byte>(File.ReadAllBytes(path)));

    private MemoryStream Zip(string prefix, params string[] besides)
    {
        var stream = new MemoryStream();

        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, true))
        {
            foreach (var (name, content) in Files())
            {
                using var entry = archive.CreateEntry(prefix + name).Open();
                entry.Write(content.Span);
            }

            foreach (var name in besides)
            {
                using var entry = archive.CreateEntry(name).Open();
                entry.WriteByte(1);
            }
        }

        stream.Position = 0;
        return stream;
    }

    [Fact]
    public void Files_and_archives_answer_as_the_folder_does()
    {
        using var model = tiny.Load();
        var expected = model.Segment(tiny.Image).Mask;
        var files = Files();
        using var fromFiles = McdrlApi.LoadFiles(files);
        files.Clear();
        Assert.Equal(expected, fromFiles.Segment(tiny.Image).Mask);

        foreach (var prefix in new[] { "", "model/", "run/model/" })
        {
            using var archive = Zip(prefix, "notes.txt", $"{prefix}deeper/mcdrl.json", "../weights.safetensors");
            using var fromArchive = McdrlApi.LoadZip(archive);
            Assert.Equal(expected, fromArchive.Segment(tiny.Image).Mask);
            Assert.Equal(model.Info.ToString(), fromArchive.Info.ToString());
        }
    }

    [Theory]
    [InlineData("mcdrl.json")]
    [InlineData("weights.safetensors")]
    [InlineData("text.safetensors")]
    public void A_damaged_or_missing_file_is_named(string name)
    {
        var files = Files();
        var bytes = files[name].ToArray();
        bytes[^2] ^= 1;
        files[name] = bytes;
        var damaged = Assert.Throws<McdrlModelException>(() => McdrlApi.LoadFiles(files)).Message;
        Assert.Contains(name, damaged);
        Assert.StartsWith("the model in memory", damaged);
        files.Remove(name);
        Assert.Contains(name, Assert.Throws<McdrlModelException>(() => McdrlApi.LoadFiles(files)).Message);
    }

    [Fact]
    public void An_archive_that_holds_more_than_it_has_is_refused_before_it_is_read()
    {
        using var swollen = new MemoryStream();

        using (var archive = new ZipArchive(swollen, ZipArchiveMode.Create, true))
        {
            using var content = archive.CreateEntry("mcdrl.json").Open();
            content.Write(new byte[10_000_000]);
        }

        swollen.Position = 0;
        Assert.Contains("10000000 bytes", Assert.Throws<McdrlModelException>(() => McdrlApi.LoadZip(swollen)).Message);
    }

    [Fact]
    public void What_is_no_archive_of_a_model_is_refused()
    {
        Assert.Contains("zip", Assert.Throws<McdrlModelException>(() => McdrlApi.LoadZip(new MemoryStream(new byte[100]))).Message);

        using var cut = Zip("");
        cut.SetLength(cut.Length / 2);
        Assert.Throws<McdrlModelException>(() => McdrlApi.LoadZip(cut));

        using var empty = new MemoryStream();

        using (var archive = new ZipArchive(empty, ZipArchiveMode.Create, true))
        {
            archive.CreateEntry("notes.txt");
        }

        empty.Position = 0;
        Assert.Contains("mcdrl.json", Assert.Throws<McdrlModelException>(() => McdrlApi.LoadZip(empty)).Message);
        Assert.Throws<ArgumentNullException>(() => McdrlApi.LoadZip(null!));
        Assert.Throws<ArgumentNullException>(() => McdrlApi.LoadFiles(null!));
    }
}
