using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>What <c>dotnet fsi build.fsx pack</c> makes, as its consumers get it.</summary>
[Collection(nameof(Packed))]
public class PackageTests(Packed packed)
{
    private static readonly string[] Libraries =
        ["Mcdrl", "Mcdrl.Core", "Mcdrl.Hosting", "Mcdrl.Model", "Mcdrl.Onnx", "Mcdrl.Phantom", "Mcdrl.Slim", "Mcdrl.Torch", "Mcdrl.Training"];

    /// <summary>Each dependency, with a mark where it is hidden from those that compile.</summary>
    private IEnumerable<string> Dependencies(string package) =>
        packed.Nuspec(package).Descendants()
            .Where(element => element.Name.LocalName == "dependency")
            .Select(element =>
            {
                var include = element.Attribute("include")?.Value ?? "All";
                var compiles = include.Contains("All", StringComparison.Ordinal) || include.Contains("Compile", StringComparison.Ordinal);
                return element.Attribute("id")!.Value + (compiles ? "" : " (hidden)");
            })
            .Order(StringComparer.Ordinal);

    [Fact]
    public void These_are_all_packages() =>
        Assert.Equal(
            Libraries.Append("Mcdrl.Tool").Order(StringComparer.Ordinal),
            Directory.GetFiles(packed.Packages, "*.nupkg")
                .Select(path => Path.GetFileName(path).Split(".0.")[0])
                .Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("Mcdrl", "Mcdrl.Slim", "Mcdrl.Torch (hidden)")]
    [InlineData("Mcdrl.Slim", "Mcdrl.Onnx (hidden)", "SkiaSharp")]
    [InlineData("Mcdrl.Hosting", "Mcdrl.Slim", "Microsoft.Extensions.Diagnostics.HealthChecks")]
    [InlineData("Mcdrl.Core", "FSharp.Core", "FsToolkit.ErrorHandling", "SkiaSharp", "SkiaSharp.NativeAssets.Linux.NoDependencies")]
    [InlineData("Mcdrl.Onnx", "FSharp.Core", "FsToolkit.ErrorHandling", "Mcdrl.Core", "Microsoft.ML.OnnxRuntime")]
    [InlineData("Mcdrl.Phantom", "FSharp.Core", "Mcdrl.Core")]
    [InlineData("Mcdrl.Model", "FSharp.Core", "Mcdrl.Core", "TorchSharp")]
    [InlineData("Mcdrl.Torch", "FSharp.Core", "FsToolkit.ErrorHandling", "Mcdrl.Model", "TorchSharp", "libtorch-cpu-linux-x64")]
    [InlineData(
        "Mcdrl.Training", "FSharp.Core", "FsToolkit.ErrorHandling", "Google.Protobuf", "Mcdrl.Onnx", "Mcdrl.Phantom", "Mcdrl.Torch",
        "Microsoft.ML.Tokenizers", "TorchSharp")]
    [InlineData("Mcdrl.Tool")]
    public void Only_what_is_needed_at_run_time_reaches_its_consumers(string package, params string[] needed) =>
        Assert.Equal(needed, Dependencies(package));

    [Fact]
    public void Each_says_what_it_is_and_how_to_begin()
    {
        foreach (var package in Libraries.Append("Mcdrl.Tool"))
        {
            var nuspec = packed.Nuspec(package);

            string Stated(string name)
            {
                return nuspec.Descendants().Single(element => element.Name.LocalName == name).Value;
            }

            Assert.Equal("MIT", Stated("license"));
            Assert.Contains("endoscopy", Stated("tags"), StringComparison.Ordinal);
            Assert.NotEmpty(Stated("description"));
            packed.Read(package, archive =>
            {
                Assert.NotNull(archive.GetEntry(Stated("icon")));
                Assert.NotNull(archive.GetEntry(Stated("readme")));
                return true;
            });
        }
    }

    [Fact]
    public void The_tool_passes_on_the_notices_of_what_it_contains() =>
        packed.Read("Mcdrl.Tool", archive =>
        {
            Assert.NotNull(archive.GetEntry("THIRD-PARTY-NOTICES.txt"));
            Assert.Contains(archive.Entries, entry => entry.FullName.StartsWith("notices/Microsoft.ML.OnnxRuntime/", StringComparison.Ordinal));
            return true;
        });

    [Fact]
    public void Documentation_tells_of_nothing_internal()
    {
        foreach (var package in Libraries)
        {
            packed.Read(package, archive =>
            {
                var documentation = archive.Entries.Single(
                    entry => entry.FullName.StartsWith("lib/", StringComparison.Ordinal) && entry.Name.EndsWith(".xml", StringComparison.Ordinal));
                using var text = documentation.Open();
                var documented = XDocument.Load(text).Descendants("member").Select(member => member.Attribute("name")!.Value).ToArray();
                using var assembly = new MemoryStream();
                using var stored = archive.GetEntry(Path.ChangeExtension(documentation.FullName, ".dll"))!.Open();
                stored.CopyTo(assembly);
                assembly.Position = 0;
                using var image = new PEReader(assembly);
                var reader = image.GetMetadataReader();

                var hidden = reader.TypeDefinitions.Select(reader.GetTypeDefinition)
                    .Where(type => (type.Attributes & TypeAttributes.VisibilityMask) == TypeAttributes.NotPublic)
                    .Select(type => $"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}");

                Assert.NotEmpty(documented);
                Assert.DoesNotContain(documented, name => hidden.Any(
                    type => name[2..] == type || name[2..].StartsWith($"{type}.", StringComparison.Ordinal)));
                return true;
            });
        }

        // Of a module that all see, what it keeps to itself.
        var torch = packed.Read("Mcdrl.Torch", archive =>
        {
            using var text = new StreamReader(archive.GetEntry("lib/net10.0/Mcdrl.Torch.xml")!.Open());
            return text.ReadToEnd();
        });

        Assert.Contains("M:Mcdrl.NativeModule.load", torch, StringComparison.Ordinal);
        Assert.DoesNotContain("NativeModule.loadLibtorch", torch, StringComparison.Ordinal);
    }

    [Fact]
    public void Symbols_hold_the_sources()
    {
        // The kind of custom debug information that a source embedded in symbols is.
        var embeddedSource = new Guid("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

        foreach (var package in Libraries)
        {
            packed.Read(package, archive =>
            {
                using var memory = new MemoryStream();
                using var stored = archive.Entries.Single(entry => entry.Name.EndsWith(".pdb", StringComparison.Ordinal)).Open();
                stored.CopyTo(memory);
                memory.Position = 0;
                using var symbols = MetadataReaderProvider.FromPortablePdbStream(memory);
                var reader = symbols.GetMetadataReader();

                var embedded = reader.CustomDebugInformation.Select(reader.GetCustomDebugInformation)
                    .Where(information => reader.GetGuid(information.Kind) == embeddedSource)
                    .Select(information => information.Parent)
                    .ToHashSet();

                var sources = reader.Documents.Where(document => !embedded.Contains(document))
                    .Select(document => reader.GetString(reader.GetDocument(document).Name))
                    // What the F# compiler makes up has no source.
                    .Where(name => !name.EndsWith("/unknown", StringComparison.Ordinal));

                Assert.Empty(sources);
                return true;
            });
        }
    }
}
