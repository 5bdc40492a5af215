/// What an operation of Mcdrl came to, as a test wants it.
module Mcdrl.Tests.Outcome

open Expecto
open Mcdrl

let ok outcome =
    Result.defaultWith (McdrlError.describe >> failtest) outcome

/// The refusal of something that must not succeed: its exit code and its text.
let refused outcome =
    let error = Expect.wantError outcome "refused"
    McdrlError.exitCode error, McdrlError.describe error

/// Refused with this exit code, naming all of these.
let refusedWith code parts outcome =
    let found, text = refused outcome
    Expect.equal found code text

    for part in parts do
        Expect.stringContains text part "named"
