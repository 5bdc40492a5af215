using Microsoft.FSharp.Core;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public class OutcomeTests
{
    private static readonly McdrlError Usage = McdrlErrorModule.usage("no such device", "“device” gpu", "Use cpu");
    private static readonly McdrlError Data = McdrlErrorModule.data("is truncated", "a.png", "Copy it again");

    [Fact]
    public void Each_family_has_its_exception()
    {
        Assert.IsType<McdrlUsageException>(Outcome.ToException(Usage));
        Assert.IsType<McdrlModelException>(Outcome.ToException(McdrlErrorModule.model("w", "x", "y")));
        Assert.IsType<McdrlDataException>(Outcome.ToException(Data));
        Assert.IsType<McdrlResourceException>(Outcome.ToException(McdrlErrorModule.resource("w", "x", "y")));
        Assert.IsType<OperationCanceledException>(Outcome.ToException(McdrlError.Cancelled));
    }

    [Fact]
    public void Several_problems_are_all_told_and_the_first_decides_the_type()
    {
        var several = McdrlError.NewSeveral(Data, [Usage]);
        var thrown = Assert.IsType<McdrlDataException>(Outcome.ToException(several));

        Assert.Equal(
            ["a.png: is truncated. Copy it again.", "device gpu: no such device. Use cpu."],
            thrown.Problems);
        Assert.All(thrown.Problems, problem => Assert.Contains(problem, thrown.Message));
    }

    [Theory]
    [InlineData("“mode” rendered", "SegmentOptions.Mode rendered")]
    [InlineData("“threshold”", "SegmentOptions.Threshold")]
    [InlineData("“min_area”", "SegmentOptions.MinArea")]
    [InlineData("“device” gpu", "device gpu")]
    [InlineData("“frame.png”", "“frame.png”")]
    public void A_setting_is_told_as_the_argument_that_it_is(string where, string told)
    {
        var thrown = Assert.IsType<McdrlUsageException>(Outcome.ToException(McdrlErrorModule.usage("is wrong", where, "Mend it")));
        Assert.Equal($"{told}: is wrong. Mend it.", thrown.Message);
    }

    [Fact]
    public void A_result_gives_its_value_or_throws()
    {
        Assert.Equal(7, FSharpResult<int, McdrlError>.NewOk(7).OrThrow());
        Assert.Throws<McdrlDataException>(() => FSharpResult<int, McdrlError>.NewError(Data).OrThrow());
    }
}
