using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public class LoadTests(TinyModel tiny)
{
    [Fact]
    public void A_bundle_loads_with_its_classes()
    {
        using var model = tiny.Load();
        Assert.Equal(["polyp", "ulcer"], model.Classes);
    }

    [Fact]
    public void The_folder_of_a_run_is_as_good_as_the_bundle_in_it()
    {
        var run = Directory.CreateDirectory(tiny.Fresh("")).FullName;
        Directory.Move(tiny.CopyBundle(), Path.Combine(run, "model"));
        using var model = McdrlApi.Load(run);
        Assert.Equal(2, model.Classes.Count);
    }

    [Theory]
    [InlineData(ComputePrecision.ModelDefault)]
    [InlineData(ComputePrecision.Auto)]
    [InlineData(ComputePrecision.Fp32)]
    public void A_bundle_loads_in_the_precision_asked_for(ComputePrecision precision)
    {
        using var model = McdrlApi.Load(tiny.Bundle, precision: precision);
        Assert.Equal(["polyp", "ulcer"], model.Classes);
    }

    [Fact]
    public void A_precision_that_does_not_exist_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => McdrlApi.Load(tiny.Bundle, precision: (ComputePrecision)9));

    [Fact]
    public void A_folder_that_is_not_there_or_holds_no_model()
    {
        foreach (var folder in new[] { tiny.Fresh(""), Directory.CreateDirectory(tiny.Fresh("")).FullName, "" })
        {
            var thrown = Assert.Throws<McdrlModelException>(() => McdrlApi.Load(folder));
            Assert.Contains("mcdrl.json", thrown.Message);
        }
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("text.safetensors")]
    public void A_damaged_or_missing_file_is_named(string name)
    {
        var folder = tiny.CopyBundle();
        var path = Path.Combine(folder, name);
        var bytes = File.ReadAllBytes(path);

        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Contains(name, Assert.Throws<McdrlModelException>(() => McdrlApi.Load(folder)).Message);

        File.WriteAllBytes(path, bytes[..(bytes.Length / 2)]);
        Assert.Contains(name, Assert.Throws<McdrlModelException>(() => McdrlApi.Load(folder)).Message);

        File.Delete(path);
        Assert.Contains(name, Assert.Throws<McdrlModelException>(() => McdrlApi.Load(folder)).Message);
    }

    [Theory]
    [InlineData("{", "{{")]
    [InlineData("\"format\": 3", "\"format\": 1")]
    [InlineData("\"alpha\": 0.5", "\"alpha\": 7")]
    [InlineData("\"input_size\": 32", "\"input_size\": 33")]
    [InlineData("\"layers\": 1", "\"layers\": 2")]
    [InlineData("\"polyp\",", "")]
    [InlineData("\"blur\",", "")]
    public void A_manifest_that_does_not_fit_is_the_models_fault(string from, string to)
    {
        var folder = tiny.CopyBundle();
        var path = Path.Combine(folder, "mcdrl.json");
        var text = File.ReadAllText(path);
        Assert.Contains(from, text);
        File.WriteAllText(path, text.Replace(from, to));
        Assert.Throws<McdrlModelException>(() => McdrlApi.Load(folder));
    }

    [Fact]
    public void A_load_that_failed_is_tried_again_and_one_that_did_not_is_kept()
    {
        var calls = 0;
        var kept = new Kept<string>(() => ++calls < 3 ? throw new McdrlModelException(["not there yet"]) : "model");
        Assert.Throws<McdrlModelException>(() => kept.Value);
        Assert.Throws<McdrlModelException>(() => kept.Value);
        Assert.Equal("model", kept.Value);
        Assert.Same(kept.Value, kept.Value);
        Assert.Equal(3, calls);
    }

    [Fact]
    public void A_manifest_beyond_all_measure_is_not_read()
    {
        var folder = tiny.CopyBundle();
        File.AppendAllText(Path.Combine(folder, "mcdrl.json"), new string(' ', 1_000_000));
        Assert.Contains("limit", Assert.Throws<McdrlModelException>(() => McdrlApi.Load(folder)).Message);
    }

    [Theory]
    [InlineData("gpu")]
    [InlineData("")]
    [InlineData("cuda:99")]
    public void A_device_that_is_not_there(string device)
    {
        var thrown = Assert.Throws<McdrlUsageException>(() => McdrlApi.Load(tiny.Bundle, device));
        Assert.Contains(device, thrown.Message);
        Assert.DoesNotContain("--", thrown.Message);
    }

    [Fact]
    public void Null_is_refused()
    {
        Assert.Throws<ArgumentNullException>(() => McdrlApi.Load(null!));
        Assert.Throws<ArgumentNullException>(() => McdrlApi.Load(tiny.Bundle, null!));
    }
}
