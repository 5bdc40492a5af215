module Mcdrl.Tests.StoreTests

open System
open System.IO
open Expecto
open Mcdrl

let private content index =
    Array.init 5 (fun i -> byte (10 * index + i))

/// Opens or makes a store of four records; how many records it asked for.
let private opened path key bytes count =
    let mutable asked = 0

    let record index =
        asked <- asked + 1
        Ok(Array.truncate bytes (content index))

    use store = Outcome.ok (Store.openOrCreate path key bytes count record)
    let read = Array.zeroCreate<byte> bytes

    for index in [ count - 1 .. -1 .. 0 ] do
        store.Read(index, Span read)
        Expect.equal read (Array.truncate bytes (content index)) $"record {index}"

    asked

let tests =
    testList
        "Store"
        [
            testCase
                "made once, then read; made anew for another key, size or count, and when it is cut short"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "deep", "store.bin")
                    Expect.equal (opened path "a" 5 4) 4 "made"
                    Expect.equal (opened path "a" 5 4) 0 "kept"
                    Expect.equal (opened path "b" 5 4) 4 "another key"
                    Expect.equal (opened path "b" 5 3) 3 "another count"
                    Expect.equal (opened path "b" 4 3) 3 "another size"
                    File.WriteAllBytes(path, (File.ReadAllBytes path)[.. 32 + 10])
                    Expect.equal (opened path "b" 4 3) 3 "cut short"
                    File.WriteAllBytes(path, Crafted.flip 4 (File.ReadAllBytes path))
                    Expect.equal (opened path "b" 4 3) 3 "a flipped bit of the digest"
                    File.WriteAllBytes(path, [||])
                    Expect.equal (opened path "b" 4 3) 3 "empty")

            testCase "what is no file in its place is refused"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "store.bin")
                    Directory.CreateDirectory path |> ignore

                    Store.openOrCreate path "a" 5 4 (fun index -> Ok(Array.truncate 5 (content index)))
                    |> Outcome.refusedWith 2 [ "folder"; "store.bin" ]

                    Expect.isTrue (Directory.Exists path) "left as it is")

            testCase "the first failing record ends the making and leaves no file"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "store.bin")
                    let mutable asked = 0

                    let record index =
                        asked <- asked + 1

                        if index = 2 then
                            Error McdrlError.Cancelled
                        else
                            Ok(content index)

                    let outcome = Store.openOrCreate path "a" 5 4 record |> Result.map ignore
                    Expect.equal outcome (Error McdrlError.Cancelled) "the record's fault"
                    Expect.equal asked 3 "no further"
                    Expect.isEmpty (Directory.GetFiles folder) "no file")
        ]
