namespace Mcdrl.CSharpApi.Tests;

/// <summary>The checkout that the tests were built in.</summary>
internal static class Repository
{
    /// <summary>Its top folder.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);

        while (!File.Exists(Path.Combine(folder.FullName, "Mcdrl.sln")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException("no Mcdrl.sln above the tests");
        }

        return folder.FullName;
    }
}
