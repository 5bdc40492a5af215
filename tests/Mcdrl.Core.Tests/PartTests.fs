module Mcdrl.Tests.PartTests

open Expecto
open FsCheck
open Mcdrl

/// From 1 to 40 parts.
let private parts (count: PositiveInt) =
    let count = (count.Get - 1) % 40 + 1
    [ for index in 0 .. count - 1 -> Outcome.ok (Part.create count index) ]

let tests =
    testList
        "Part"
        [
            Property.check "every name belongs to one part and to no other" (fun count letters ->
                let name = Property.text letters

                parts count
                |> List.filter (fun part -> Part.holds part name)
                |> List.map _.Index
                    =
                    [ Part.ofName (parts count).Length name ])

            Property.check "the parts of names are all names, each once" (fun count names ->
                let names = List.map Property.text names

                parts count
                |> List.collect (fun part -> List.filter (Part.holds part) names)
                |> List.sort
                    =
                    List.sort names)

            Property.check "more names change no part of those that were there" (fun count names more ->
                let names, more = List.map Property.text names, List.map Property.text more

                parts count
                |> List.forall (fun part ->
                    let before = List.filter (Part.holds part) names
                    let after = List.filter (Part.holds part) (names @ more)
                    List.truncate before.Length after = before))

            testCase "which part a name falls to is the same in every release and on every machine"
            <| fun () ->
                let names = [ "c1/frame0001"; "c1/frame0002"; "c2/ünïcode"; "" ]

                Expect.equal
                    [ for name in names -> Part.ofName 1000 name ]
                    [ 876; 321; 15; 652 ]
                    "the first eight bytes of the sha256, modulo 1000"

            testCase "parts are about equal"
            <| fun () ->
                let counts =
                    List.init 20000 (fun index -> Part.ofName 8 $"site/frame{index}.png")
                    |> List.countBy id
                    |> List.map snd

                Expect.hasLength counts 8 "all"
                Expect.isGreaterThan (List.min counts) 2300 "of 2500"
                Expect.isLessThan (List.max counts) 2700 "of 2500"

            testCase "what is out of range is refused"
            <| fun () ->
                for count, index, named in
                    [
                        0, 0, "“parts”"
                        -1, 0, "“parts”"
                        Part.most + 1, 0, "“parts”"
                        8, 8, "“part”"
                        8, -1, "“part”"
                        1, 1, "“part”"
                    ] do
                    Part.create count index |> Outcome.refusedWith 2 [ named ]

                let last = Outcome.ok (Part.create 8 7)
                Expect.equal (last.Index, last.Count, string last) (7, 8, "part 7 of 8") "the last"
                Expect.isTrue (Part.holds Part.whole "anything") "the whole holds all"

            testCase "numbers in few words"
            <| fun () ->
                for numbers, text in
                    [
                        [], ""
                        [ 3 ], "3"
                        [ 3; 4 ], "3-4"
                        [ 9; 3; 7; 8; 3 ], "3,7-9"
                        [ 0; 2; 4 ], "0,2,4"
                    ] do
                    Expect.equal (Part.listed numbers) text "listed"
        ]
