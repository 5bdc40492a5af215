module Mcdrl.Tests.PrintableTests

open System
open System.Globalization
open System.Text
open Expecto
open FsCheck.FSharp
open Mcdrl

/// Halves of surrogate pairs, which the compiler doesn't take in a literal.
let high, low = string (char 0xD800), string (char 0xDC00)

/// Text with what a stranger may put into a name.
let strange =
    gen {
        let! parts =
            Gen.listOf (
                Gen.elements
                    [
                        "a"
                        "Zürich"
                        "息肉"
                        "🩺"
                        " "
                        "."
                        "/"
                        "%"
                        "\n"
                        "\027[2J"
                        "\000"
                        "\u202E"
                        "\u2028"
                        "\uFEFF"
                        high
                        low
                        "\U000E0041"
                    ]
            )

        return String.concat "" parts
    }

let private isVisible (rune: Rune) =
    match Rune.GetUnicodeCategory rune with
    | UnicodeCategory.Control
    | UnicodeCategory.LineSeparator
    | UnicodeCategory.ParagraphSeparator
    | UnicodeCategory.Format -> false
    | _ -> true

let tests =
    testList
        "Printable"
        [
            testCase "text of any script stays as it is, with its joiners"
            <| fun () ->
                for text in [ "polyp"; "Zürich, 3 %"; "息肉"; "क्\u200Dष"; "👩\u200D⚕️"; "עברית"; "\\u001b" ] do
                    Expect.equal (Printable.line text) text text

            testCase "what moves the cursor, turns the reading direction or can't be seen is spelt out"
            <| fun () ->
                for text, shown in
                    [
                        "\027[31mred", "\\u001b[31mred"
                        "a\u202Egpj.exe", "a\\u202egpj.exe"
                        "a\r\nb\tc", "a\\u000d\\u000ab\\u0009c"
                        "\u009B2J", "\\u009b2J"
                        "a\u2028b\u2066", "a\\u2028b\\u2066"
                        $"{high}x{low}", "\\ud800x\\udc00"
                        "\U000E0041", "\\U000e0041"
                    ] do
                    Expect.equal (Printable.line text) shown shown

            testCase "a text keeps its own lines and tabs"
            <| fun () -> Expect.equal (Printable.text "a\n\tb\027") "a\n\tb\\u001b" "text"

            Property.check "whatever comes in, everything that comes out is seen"
            <| Prop.forAll (Arb.fromGen strange) (fun text ->
                let shown = Printable.line text
                shown.EnumerateRunes() |> Seq.forall isVisible && not (shown.Contains '\uFFFD'))
        ]
