using System.Text.RegularExpressions;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public partial class ReadmeTests(TinyModel tiny)
{
    /// <summary>The README's program; the test below sees that it stays the same, line by line.</summary>
    private static void Example()
    {
        using var model = McdrlApi.Load("run/model");
        Segmentation found = model.Segment("frame.png");

        foreach (var lesion in found.Classes)
        {
            Console.WriteLine($"{lesion.Name}: {lesion.Share:P1} of the image in {lesion.Regions.Count} regions");
        }

        found.SaveMask("frame.mask.png");
        found.SaveProbability("frame.probability.png");
        found.SaveOverlay("frame.overlay.png");
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [Fact]
    public void Its_program_is_the_example()
    {
        var code = Code().Match(File.ReadAllText(Path.Combine(Repository.Root, "README.md"))).Groups[1].Value;
        var source = File.ReadAllText(Path.Combine(Repository.Root, "tests", "Mcdrl.CSharpApi.Tests", "ReadmeTests.cs"));
        Assert.Contains("SaveMask", code);
        const string Opened = "using Mcdrl;\n\n";
        Assert.StartsWith(Opened, code);
        Assert.Contains(string.Join("\n", code[Opened.Length..].Split('\n').Select(line => line == "" ? "" : "        " + line)), source);
    }

    [Fact]
    public void The_example_runs()
    {
        var before = Environment.CurrentDirectory;
        Directory.CreateDirectory(Path.Combine(tiny.Folder, "run"));
        Directory.Move(tiny.CopyBundle(), Path.Combine(tiny.Folder, "run", "model"));
        File.Copy(tiny.Image, Path.Combine(tiny.Folder, "frame.png"));

        try
        {
            Environment.CurrentDirectory = tiny.Folder;
            Example();
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }

        Assert.True(File.Exists(Path.Combine(tiny.Folder, "frame.mask.png")));
        Assert.True(File.Exists(Path.Combine(tiny.Folder, "frame.probability.png")));
        Assert.True(File.Exists(Path.Combine(tiny.Folder, "frame.overlay.png")));
    }
}
