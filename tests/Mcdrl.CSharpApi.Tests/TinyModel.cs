using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using SkiaSharp;
using TorchSharp;
using Xunit;

[assembly: AssemblyFixture(typeof(Mcdrl.CSharpApi.Tests.TinyModel))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Mcdrl.CSharpApi.Tests;

/// <summary>A model with random weights for inputs of 32 pixels and two lesion classes, written as a bundle, and images
/// for it.</summary>
public sealed class TinyModel : IDisposable
{
    private const int InputSize = 32;
    private const long Embed = 32;
    private static readonly string[] Names = ["polyp", "ulcer"];

    /// <summary>A folder for this test run's files, removed at the end.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("mcdrl ünit ").FullName;

    /// <summary>The bundle.</summary>
    public string Bundle => Path.Combine(Folder, "model");

    /// <summary>An image of 50 by 37 pixels.</summary>
    public string Image => Path.Combine(Folder, "image.png");

    public TinyModel()
    {
        NativeModule.load().OrThrow();
        Mcdrl.Bundle.write(Bundle, Create()).OrThrow();
        File.WriteAllBytes(Image, Picture(50, 37));
    }

    public void Dispose() => Directory.Delete(Folder, true);

    /// <summary>Loads the bundle.</summary>
    public McdrlModel Load() => McdrlApi.Load(Bundle);

    /// <summary>A path in the folder that nothing else uses.</summary>
    public string Fresh(string ending) => Path.Combine(Folder, $"{Guid.NewGuid():N}{ending}");

    /// <summary>A copy of the bundle for a test to damage.</summary>
    public string CopyBundle()
    {
        var copy = Directory.CreateDirectory(Fresh("")).FullName;

        foreach (var file in Directory.GetFiles(Bundle))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        return copy;
    }

    /// <summary>A PNG with a bright disc on a gradient.</summary>
    public static byte[] Picture(int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));

        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var inside = Math.Pow(x - (width / 3.0), 2) + Math.Pow(y - (height / 2.0), 2) < height * height / 9.0;
                bitmap.SetPixel(x, y, new SKColor(inside ? (byte)240 : (byte)(x * 255 / width), (byte)(y * 255 / height), 90));
            }
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static torch.Tensor Random(torch.Tensor like, int key) =>
        SeedTensors.normal(ListModule.OfSeq(like.shape), SeedModule.split(key, SeedModule.create(7))).mul_(0.3);

    private static Tower CreateTower()
    {
        var template = VisionTransformerModule.template(
            new VisionTransformerShape(width: 64, layers: 2, patch: 8, grid: 4, hidden: 128, embed: Embed));
        var key = 0;
        var random = FuncConvert.FromFunc<torch.Tensor, torch.Tensor>(leaf => Random(leaf, key++));
        return Tower.NewViT(Tree.map(random, template));
    }

    private static Model Create()
    {
        var classes = ListModule.OfSeq(Names);
        var overrides = ListModule.OfSeq(
        [
            $"method.input_size={InputSize}",
            "method.conditions=[\"blur\",\"mucus\",\"blood\"]",
            "method.layers=1",
            "method.head_width=8",
        ]);
        var settings = Config.ofPreset("best", overrides).OrThrow();
        var conditions = settings.Method.Conditions;
        var prompts = Prompts.all(classes, conditions).Length;
        using var noGrad = torch.no_grad();
        using var embeddings = SeedTensors.normal(ListModule.OfSeq([prompts, Embed]), SeedModule.create(3));
        var texts = PromptTexts.ofEmbeddings(classes.Length, conditions.Length, null, embeddings);
        var tower = CreateTower();
        var drawn = Filling.NewDrawn(SeedModule.create(5));
        var network = NetworkTemplate.create(settings.Method, TowerModule.sizes(tower), texts, drawn);
        var (mean, std) = TowerModule.normalisation(tower);
        return new Model(ManifestOf(classes, settings, tower, mean, std), tower, network, texts, rival: null);
    }

    private static Manifest ManifestOf(
        FSharpList<string> classes,
        Settings settings,
        Tower tower,
        FSharpList<double> mean,
        FSharpList<double> std) => new(
            format: ManifestModule.format,
            classes: classes,
            tower: TowerModule.name(tower),
            towerFacts: TowerModule.facts(tower),
            active: true,
            precision: Precision.Fp32,
            preprocessing: new Preprocessing(ResizeMethod.SquashBicubic, InputSize, mean, std),
            settings: settings,
            provenance: new Provenance(
                product: "mcdrl test",
                created: "2026-01-01",
                data: "none",
                dataSha256: "",
                trainedOn: [],
                leftOut: null,
                weightsSha256: "",
                seed: 1,
                epoch: 1,
                trainingFrames: 0,
                fineTunedFrom: null,
                heldBack: null),
            metrics: [],
            files: MapModule.Empty<string, string>(),
            sha256: null);
}
