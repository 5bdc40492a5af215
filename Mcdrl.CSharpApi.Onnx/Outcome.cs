using System.Text.RegularExpressions;
using Microsoft.FSharp.Core;

namespace Mcdrl;

/// <summary>Turns what the F# side returns into values and exceptions.</summary>
internal static partial class Outcome
{
    [GeneratedRegex("“([a-z_]+)”")]
    private static partial Regex Setting();

    /// <summary>A message as whoever calls the API reads it: the library names a setting “min_area”, and here it is an argument, or a
    /// member of the options.</summary>
    private static string InArguments(string message) => Setting().Replace(message, setting => setting.Groups[1].Value switch
    {
        "mode" => $"{nameof(SegmentOptions)}.{nameof(SegmentOptions.Mode)}",
        "threshold" => $"{nameof(SegmentOptions)}.{nameof(SegmentOptions.Threshold)}",
        "min_area" => $"{nameof(SegmentOptions)}.{nameof(SegmentOptions.MinArea)}",
        var argument => argument,
    });

    /// <summary>The exception of an error; the first of several decides its type.</summary>
    internal static Exception ToException(McdrlError error)
    {
        var problems = McdrlErrorModule.flatten(error).Select(McdrlErrorModule.describe).Select(InArguments).ToArray();

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
