namespace Mcdrl.Cli

open System.Text.RegularExpressions
open Mcdrl

/// The library's messages as whoever typed the command reads them: it names a setting “leave_out”, and the command line
/// has the flag --leave-out.
[<RequireQualifiedAccess>]
module Flags =
    /// Every setting in a message as its flag.
    let spelt (message: string) : string =
        Regex.Replace(message, "“([a-z_]+)”", fun setting -> "--" + setting.Groups[1].Value.Replace('_', '-'))

    /// `McdrlError.describe` with flags.
    let describe (problem: McdrlError) : string = spelt (McdrlError.describe problem)
