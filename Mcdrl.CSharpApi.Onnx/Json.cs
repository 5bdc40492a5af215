using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mcdrl;

/// <summary>The JSON of the API: the command's report of an image, but for the names of files that the command wrote.</summary>
internal static class Json
{
    private static readonly JsonSerializerOptions options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The report of an answer. <paramref name="path"/> is the image's file, if it is one.</summary>
    internal static JsonObject Report(SegmentationResult result, string? path)
    {
        var target = new SegmentTarget(path ?? "", "", "", "", "", "", "");
        var report = RecordJson.toObject(SegmentFiles.report(target, result, null));

        foreach (var file in path is null ? new[] { "image", "mask", "overlay", "probability" } : ["mask", "overlay", "probability"])
        {
            report.Remove(file);
        }

        foreach (var found in report["classes"]!.AsArray())
        {
            found!.AsObject().Remove("probability");
        }

        return report;
    }

    /// <summary>A value, its members in snake case.</summary>
    internal static JsonNode Node<T>(T value) => JsonSerializer.SerializeToNode(value, options)!;

    /// <summary>JSON on one line. Characters that a terminal would obey are escaped, as in the command's.</summary>
    internal static string Render(JsonNode node) => Printable.text(node.ToJsonString(options));
}
