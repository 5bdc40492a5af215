using System.Text.Json;

namespace Mcdrl;

/// <summary>The JSON of the API.</summary>
internal static class Json
{
    private static readonly JsonSerializerOptions options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>A value on one line, its members in snake case.</summary>
    internal static string Render<T>(T value) => JsonSerializer.Serialize(value, options);
}
