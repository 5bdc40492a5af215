module Mcdrl.Tests.FileNameTests

open System.IO
open System.Text
open Expecto
open FsCheck.FSharp
open Mcdrl

let tests =
    testList
        "FileName"
        [
            testCase "ordinary names are their own"
            <| fun () ->
                for name in [ "c1"; "mcdrl"; "without-cdrl"; "Universität Zürich (2)"; "a.b_c"; "息肉" ] do
                    Expect.equal (FileName.ofText name) name name

            testCase "no name is empty, hidden, an option or a way to elsewhere"
            <| fun () ->
                for text, name in
                    [
                        "", "%"
                        ".", "%2E"
                        "..", "%2E%2E"
                        "../../evil", "%2E.%2F..%2Fevil"
                        "/x/evil", "%2Fx%2Fevil"
                        "-rf", "%2Drf"
                        "a\000b", "a%00b"
                        "100%", "100%25"
                        PrintableTests.high, "%uD800"
                        "a ", "a%20"
                    ] do
                    Expect.equal (FileName.ofText text) name name

            testCase "a long name keeps its beginning and fits, whatever its script"
            <| fun () ->
                for letter in [ "f"; "é"; "息"; "🩺" ] do
                    let long = String.replicate 300 letter
                    let name = FileName.ofText long
                    Expect.isLessThanOrEqual (Encoding.UTF8.GetByteCount name) 120 "fits"
                    Expect.isTrue (name.StartsWith letter) "its beginning"
                    Expect.notEqual name (FileName.ofText (long + letter)) "another name"

            Property.check "it can be created and found under its name"
            <| Prop.forAll (Arb.fromGen PrintableTests.strange) (fun text ->
                Folder.temporary (fun folder ->
                    let name = FileName.ofText text
                    File.WriteAllText(Path.Combine(folder, name), "")

                    Directory.GetFiles folder |> Array.map Path.GetFileName = [| name |]))

            Property.check "different texts have different names"
            <| Prop.forAll (Arb.fromGen (Gen.two PrintableTests.strange)) (fun (a, b) ->
                a = b || FileName.ofText a <> FileName.ofText b)
        ]
