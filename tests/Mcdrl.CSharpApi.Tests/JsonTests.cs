using System.Text.Json.Nodes;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>The JSON of an answer against the report that the command writes of the same.</summary>
public sealed class JsonTests(TinyModel tiny)
{
    private static FSharpFunc<FSharpOption<Marginalisation>?, FSharpFunc<Marking, FSharpFunc<Picture, FSharpResult<T, McdrlError>>>> Always<T>(T answer) =>
        FuncConvert.FromFunc<FSharpOption<Marginalisation>?, Marking, Picture, FSharpResult<T, McdrlError>>(
            (_, _, _) => FSharpResult<T, McdrlError>.NewOk(answer));

    /// <summary>An engine that gives one answer, so that nothing depends on the rounding of two.</summary>
    private Engine Answering(SegmentOptions options)
    {
        using var engine = SegmenterModule.engine(SegmenterModule.load(tiny.Bundle, "cpu").OrThrow());
        var picture = Images.read(ImageLimitsModule.standard, tiny.Image).OrThrow();
        var marking = MarkingModule.create(options.Threshold is { } threshold ? threshold : null, options.MinArea).OrThrow();
        var explanation = EngineModule.explain(engine, null, marking, picture).OrThrow();

        return new Engine(
            engine.Classes,
            Always(explanation.Segmentation),
            Always(explanation),
            FuncConvert.FromFunc<int, IDisposable>(_ => new MemoryStream()),
            FuncConvert.FromAction(() => { }));
    }

    /// <summary>What the command writes.</summary>
    private JsonObject Reported(Engine engine, bool explain)
    {
        var request = new SegmentRequest(null, MarkingModule.standard, explain, true, ImageLimitsModule.standard);
        var targets = SegmentFiles.plan(ListModule.OfSeq([tiny.Image]), tiny.Fresh("")).OrThrow();

        SegmentFiles.run(
            engine,
            request,
            targets,
            FuncConvert.FromAction<SegmentTarget, FSharpResult<ImageReport, McdrlError>>((_, report) => Assert.True(report.IsOk)),
            ProgressModule.until(TestContext.Current.CancellationToken)).OrThrow();

        return JsonNode.Parse(File.ReadAllText(targets.Head.Report))!.AsObject();
    }

    /// <summary>Keys of files that the command writes, and of how they are scaled.</summary>
    private static readonly string[] OfFiles =
        ["mask", "overlay", "probability", "file", "black", "white", "strongest", "sheet", "flips", "selected"];

    private static JsonNode? WithoutFiles(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(members
            .Where(member => !OfFiles.Contains(member.Key) && member.Value is not null)
            .OrderBy(member => member.Key, StringComparer.Ordinal)
            .Select(member => KeyValuePair.Create(member.Key, WithoutFiles(member.Value)))),
        JsonArray items => new JsonArray([.. items.Select(WithoutFiles)]),
        _ => node?.DeepClone(),
    };

    private static void AssertSame(JsonObject command, string api) =>
        Assert.Equal(WithoutFiles(command)!.ToJsonString(), WithoutFiles(JsonNode.Parse(api))!.ToJsonString());

    [Fact]
    public void It_is_the_commands_report_field_by_field()
    {
        foreach (var options in new[] { new SegmentOptions(), new SegmentOptions { Threshold = 0.4, MinArea = 3 } })
        {
            using var engine = Answering(options);
            using var model = new McdrlModel(engine, new ModelInfo { Classes = ["polyp", "ulcer"] });
            var found = model.Segment(tiny.Image);
            var report = Reported(engine, false);
            AssertSame(report, found.ToJson());
            Assert.Equal(tiny.Image, report["image"]!.GetValue<string>());
            Assert.NotEmpty(report["classes"]!.AsArray().SelectMany(lesion => lesion!["regions"]!.AsArray()));
            Assert.Equal("Research software, not for clinical use.", report["notice"]!.GetValue<string>());
            Assert.DoesNotContain('\n', found.ToJson());

            var own = JsonNode.Parse(found.ToJson())!.AsObject();
            Assert.All(own, member => Assert.True(report.ContainsKey(member.Key), member.Key));
        }
    }

    [Fact]
    public void An_explanation_is_the_commands_too()
    {
        using var engine = Answering(new SegmentOptions());
        using var model = new McdrlModel(engine, new ModelInfo { Classes = ["polyp", "ulcer"] });
        AssertSame(Reported(engine, true), model.Explain(tiny.Image).ToJson());
    }

    [Fact]
    public void What_is_no_file_has_no_path()
    {
        using var model = tiny.Load();
        var report = JsonNode.Parse(model.Segment(File.ReadAllBytes(tiny.Image)).ToJson())!.AsObject();
        Assert.False(report.ContainsKey("image"));
        Assert.Equal(50, report["width"]!.GetValue<int>());
    }
}
