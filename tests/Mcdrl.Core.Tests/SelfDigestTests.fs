module Mcdrl.Tests.SelfDigestTests

open System
open System.Text
open Expecto
open Mcdrl

/// Words around a digest, which is made true.
let private signed () =
    let before, after = "before \"", "\" after\n"
    let whole digest = before + digest + after

    let digest =
        SelfDigest.ofWritten (fun stream ->
            stream.Write(ReadOnlySpan(Encoding.ASCII.GetBytes(whole SelfDigest.blank))))

    before.Length, Encoding.ASCII.GetBytes(whole digest)

let tests =
    testList
        "SelfDigest"
        [
            testCase "a content holds its own digest"
            <| fun () ->
                let place, content = signed ()
                Expect.isTrue (SelfDigest.isAt place content) "true"
                let digits = Encoding.ASCII.GetString(content, place, SelfDigest.length)
                Expect.equal (SelfDigest.find digits content) place "found"

            testCase "every changed byte is noticed, those of the digest too"
            <| fun () ->
                let place, content = signed ()

                for offset in 0 .. content.Length - 1 do
                    Expect.isFalse (SelfDigest.isAt place (Crafted.flip offset content)) $"byte {offset}"

            testCase "a byte more, a byte less, another place"
            <| fun () ->
                let place, content = signed ()
                Expect.isFalse (SelfDigest.isAt place (Array.append content [| 0uy |])) "more"
                Expect.isFalse (SelfDigest.isAt place content[.. content.Length - 2]) "less"

                for other in [ -1; place - 1; place + 1; content.Length - SelfDigest.length; content.Length ] do
                    Expect.isFalse (SelfDigest.isAt other content) $"at {other}"

            testCase "digits in upper case are others"
            <| fun () ->
                let place, content = signed ()

                let upper =
                    content
                    |> Array.mapi (fun offset value ->
                        if offset >= place && offset < place + SelfDigest.length then
                            byte (Char.ToUpperInvariant(char value))
                        else
                            value)

                Expect.isFalse (SelfDigest.isAt place upper) "others"
        ]
