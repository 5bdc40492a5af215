namespace Mcdrl

open System
open System.Globalization

/// Times within a clip, in seconds from its beginning, as people write them.
[<RequireQualifiedAccess>]
module VideoTime =
    /// As players show it, whole seconds rounded down: `0:12`, `1:02:03`.
    let text (seconds: float) : string =
        let whole = int64 (floor (max 0.0 seconds))
        let hours, minutes, rest = whole / 3600L, whole / 60L % 60L, whole % 60L

        if hours > 0L then
            $"{hours}:{minutes:D2}:{rest:D2}"
        else
            $"{minutes}:{rest:D2}"

    /// To the microsecond, which is as exact as time stamps are kept.
    let rounded (seconds: float) : float = Math.Round(seconds, 6)

    let private number (text: string) =
        match Double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) with
        | true, value when Double.IsFinite value -> Some value
        | _ -> None

    /// Seconds (`12.5`), minutes and seconds (`1:02.5`) or hours, minutes and seconds (`1:02:03`); anything else is an error in words.
    let parse (text: string) : Result<float, string> =
        let parts = text.Split ':' |> List.ofArray |> List.map number

        match parts with
        | [ Some seconds ] -> Ok seconds
        | [ Some minutes; Some seconds ] when seconds < 60.0 -> Ok(60.0 * minutes + seconds)
        | [ Some hours; Some minutes; Some seconds ] when minutes < 60.0 && seconds < 60.0 ->
            Ok(3600.0 * hours + 60.0 * minutes + seconds)
        | _ -> Error $"“{text}” is no time; write seconds, 12.5, or minutes and seconds, 1:02.5"
