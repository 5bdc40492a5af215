/// Properties whose cases are the same in every run: what fails, fails again.
module Mcdrl.Tests.Property

open Expecto

/// A seed that stays the same from process to process, and differs from name to name.
let private seedOf (name: string) =
    (14695981039346656037UL, name)
    ||> Seq.fold (fun hash letter -> (hash ^^^ uint64 letter) * 1099511628211UL)

/// What every property of this name is checked with. Another hundred cases are had by another name.
let config (name: string) : FsCheckConfig =
    { FsCheckConfig.defaultConfig with
        replay = Some(seedOf name, 1UL, None)
    }

/// `testProperty` with the cases that belong to its name.
let check name property =
    testPropertyWithConfig (config name) name property

/// Drawn letters as a text that is Unicode: halves of surrogate pairs, which no file's name has, are replaced.
let text (letters: char list) : string =
    System.String(Array.ofList letters)
    |> System.Text.Encoding.UTF8.GetBytes
    |> System.Text.Encoding.UTF8.GetString
