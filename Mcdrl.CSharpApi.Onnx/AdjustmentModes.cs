using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>The modes of the API and of the library beneath it.</summary>
internal static class AdjustmentModes
{
    /// <summary>The mode that is asked for, none for the model's own.</summary>
    internal static FSharpOption<Marginalisation>? Asked(AdjustmentMode mode) => mode switch
    {
        AdjustmentMode.ModelDefault => null,
        AdjustmentMode.Exact => FSharpOption<Marginalisation>.Some(Marginalisation.Exact),
        AdjustmentMode.FeatureMean => FSharpOption<Marginalisation>.Some(Marginalisation.FeatureMean),
        AdjustmentMode.Nwgm => FSharpOption<Marginalisation>.Some(Marginalisation.Nwgm),
        AdjustmentMode.Attention => FSharpOption<Marginalisation>.Some(Marginalisation.Attention),
        AdjustmentMode.Rendered => FSharpOption<Marginalisation>.Some(Marginalisation.Rendered),
        _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "There is no such mode."),
    };

    /// <summary>The mode that a model answered in; its own where the API has no name for it.</summary>
    internal static AdjustmentMode Of(Marginalisation mode) => Enum.GetValues<AdjustmentMode>()
        .FirstOrDefault(named => Asked(named) is { } asked && asked.Value.Equals(mode));

    /// <summary>Its name in reports and on the command line.</summary>
    internal static string Name(AdjustmentMode mode) =>
        Asked(mode) is { } asked ? MarginalisationModule.name(asked.Value) : "model-default";
}
