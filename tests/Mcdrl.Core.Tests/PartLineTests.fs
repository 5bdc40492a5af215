module Mcdrl.Tests.PartLineTests

open System.Text.Json
open Expecto
open Mcdrl

let private answered path : PartLine =
    {
        Path = path
        Error = None
        Sha256 = Some "00ff"
        Size = Some 12L
        Report = None
    }

let tests =
    testList
        "PartLine"
        [
            Property.check "a line is of its own path and of no other, whatever that holds" (fun path other ->
                let path, other = Property.text path, Property.text other
                let line = PartLine.render (answered path)

                not (line.Contains '\n')
                && PartLine.isOf path line
                && PartLine.isAnswer path line
                && PartLine.isOf other line = (other = path))

            testCase "it is JSON that says the path"
            <| fun () ->
                for path in [ "a \"b\" c.png"; "it's.png"; "ü\u202E\u0007.png"; "}{.png" ] do
                    let line = PartLine.render (answered path)
                    use parsed = JsonDocument.Parse line
                    Expect.equal (parsed.RootElement.GetProperty("path").GetString()) path "the path"

            testCase "an answer is about these bytes of this image; an error is none"
            <| fun () ->
                let line = PartLine.render (answered "a.png")
                Expect.isTrue (PartLine.answers "a.png" "00ff" 12L line) "it is"

                for path, digest, size in [ "b.png", "00ff", 12L; "a.png", "00fe", 12L; "a.png", "00ff", 1L ] do
                    Expect.isFalse (PartLine.answers path digest size line) "another"

                Expect.isFalse (PartLine.answers "a.png" "00ff" 12L (line[.. line.Length - 3])) "half a line"

                let failed =
                    PartLine.render
                        { answered "a.png" with
                            Error = Some "no image"
                        }

                Expect.isTrue (PartLine.isOf "a.png" failed) "of the image"
                Expect.isFalse (PartLine.isAnswer "a.png" failed) "no answer"
                Expect.isFalse (PartLine.answers "a.png" "00ff" 12L failed) "no answer"
        ]
