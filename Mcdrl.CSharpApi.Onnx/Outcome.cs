using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>Turns what the F# side returns into values and exceptions.</summary>
internal static class Outcome
{
    /// <summary>The exception of an error; the first of several decides its type.</summary>
    internal static Exception ToException(McdrlError error)
    {
        var problems = McdrlErrorModule.flatten(error).Select(McdrlErrorModule.describe).ToArray();

        return McdrlErrorModule.exitCode(error) switch
        {
            2 => new McdrlUsageException(problems),
            3 => new McdrlModelException(problems),
            4 => new McdrlDataException(problems),
            5 => new McdrlResourceException(problems),
            _ => new OperationCanceledException(),
        };
    }

    /// <summary>The value of a result, or its error thrown.</summary>
    internal static T OrThrow<T>(this FSharpResult<T, McdrlError> result) =>
        result.IsOk ? result.ResultValue : throw ToException(result.ErrorValue);
}
