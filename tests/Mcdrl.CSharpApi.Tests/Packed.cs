using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>The packages of this build in a folder outside the repository, and consumers there, which restore from that folder and from
/// the machine's package cache and ask no server.</summary>
public sealed class Packed : IDisposable
{
    /// <summary>The machine's package cache.</summary>
    public static string Cache { get; } =
        Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } given
            ? given
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    /// <summary>The command as it was built.</summary>
    private static string Command { get; } =
        Path.Combine(Repository.Root, "Mcdrl.Cli", "bin", "Release", "net10.0", "linux-x64", "mcdrl.dll");

    /// <summary>A frame of a hospital that the embedded model has never seen.</summary>
    public static string Frame { get; } =
        Directory.GetFiles(Path.Combine(Repository.Root, "examples", "polypgen-c6", "c6", "images")).Order().First();

    /// <summary>The folder of packages and consumers, removed at the end.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("mcdrl-packed-").FullName;

    /// <summary>Where the packages lie.</summary>
    public string Packages => Path.Combine(Folder, "packages");

    public Packed()
    {
        Run(Repository.Root, "dotnet", "fsi", "build.fsx", "pack", "--built", Packages);

        File.WriteAllText(
            Path.Combine(Folder, "NuGet.config"),
            $"""
            <configuration>
              <packageSources><clear /><add key="packed" value="{Packages}" /></packageSources>
              <fallbackPackageFolders><clear /><add key="machine" value="{Cache}" /></fallbackPackageFolders>
            </configuration>
            """);
    }

    public void Dispose() => Directory.Delete(Folder, true);

    /// <summary>What a program printed; it must end well.</summary>
    public string Run(string folder, string program, params string[] arguments)
    {
        using var child = Start(folder, program, arguments);
        var errors = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, $"{program} {string.Join(' ', arguments)}\n{output}{errors.Result}");
        return output;
    }

    /// <summary>Starts a program that sees the packed folder and the machine's cache alone.</summary>
    public Process Start(string folder, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        start.Environment["NUGET_PACKAGES"] = folder == Repository.Root ? Cache : Path.Combine(Folder, "store");
        start.Environment["RestoreConfigFile"] = folder == Repository.Root ? "" : Path.Combine(Folder, "NuGet.config");
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        return Process.Start(start)!;
    }

    /// <summary>A new folder with these files.</summary>
    public string Write(string name, params (string File, string Text)[] files)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Folder, name)).FullName;

        foreach (var (file, text) in files)
        {
            File.WriteAllText(Path.Combine(folder, file), text);
        }

        return folder;
    }

    /// <summary>A project of warnings as errors that uses one package.</summary>
    public static string Project(string sdk, string package) =>
        $"""
        <Project Sdk="{sdk}">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
            <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
            <CreateHardLinksForCopyFilesToOutputDirectoryIfPossible>true</CreateHardLinksForCopyFilesToOutputDirectoryIfPossible>
            <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="{package}" Version="*" />
          </ItemGroup>
        </Project>
        """;

    /// <summary>Builds a consumer in release configuration; the program that it made.</summary>
    public string Build(string consumer)
    {
        Run(consumer, "dotnet", "build", "-c", "Release", "-nologo", "-v", "quiet", "-p:UseSharedCompilation=false");
        return Path.Combine(consumer, "bin", "Release", "net10.0", $"{Path.GetFileName(consumer)}.dll");
    }

    /// <summary>The mask that the command writes of the frame.</summary>
    public byte[] MaskOfCommand(params string[] arguments)
    {
        Assert.SkipUnless(File.Exists(Command), "skipped, no Release build of the command");
        var folder = Directory.CreateTempSubdirectory("mcdrl-test-").FullName;

        try
        {
            Run(folder, "dotnet", [Command, "segment", Frame, "--out", folder, .. arguments]);
            return File.ReadAllBytes(Directory.GetFiles(folder, "*.mask.png").Single());
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    /// <summary>Opens each package by its id.</summary>
    public T Read<T>(string package, Func<ZipArchive, T> read)
    {
        using var archive = ZipFile.OpenRead(Directory.GetFiles(Packages, $"{package}.?.*.nupkg").Single());
        return read(archive);
    }

    /// <summary>A package's nuspec.</summary>
    public XDocument Nuspec(string package) => Read(package, archive =>
    {
        using var nuspec = archive.Entries.Single(entry => entry.Name.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(nuspec);
    });
}

/// <summary>Those that use the packages use the same ones.</summary>
[CollectionDefinition(nameof(Packed))]
public sealed class SharedPackages : ICollectionFixture<Packed>;
