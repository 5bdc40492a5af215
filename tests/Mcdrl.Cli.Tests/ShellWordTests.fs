module Mcdrl.Cli.Tests.ShellWordTests

open Expecto
open Mcdrl.Cli
open Mcdrl.Tests

/// Words as bash reads them back from a line.
let private read (line: string) =
    Programs.printed "bash" [ "-c"; $"printf '%%s\\0' {line}" ]
    |> fun printed ->
        printed.Split '\000'
        |> List.ofArray
        |> List.truncate (printed.Split('\000').Length - 1)

let tests =
    testList
        "ShellWord"
        [
            testCase "a shell reads every word as it was"
            <| fun () ->
                let words =
                    [
                        "plain-1.2_3/x:y=z,+@%"
                        ""
                        " "
                        "it's"
                        "''"
                        "\"double\" $HOME `id` $(id) \\ \\n"
                        "{} {1} * ? [a] ~ ! # & | ; < >"
                        "ünïcode\tand tab"
                        "--flag"
                    ]

                Expect.equal (words |> List.map ShellWord.quoted |> String.concat " " |> read) words "words"

            Property.check "whatever it holds" (fun drawn ->
                let words =
                    drawn
                    |> List.truncate 20
                    |> List.map (Property.text >> String.filter (fun letter -> letter <> '\000'))

                words.IsEmpty
                || (words |> List.map ShellWord.quoted |> String.concat " " |> read) = words)

            testCase "plain words stay as they are typed"
            <| fun () ->
                Expect.equal (ShellWord.quoted "/archive/c1/a.png") "/archive/c1/a.png" "plain"
                Expect.equal (ShellWord.quoted "it's") "'it'\\''s'" "quoted"
        ]
