module Mcdrl.Tests.Program

open System.Reflection
open Expecto

let private documented =
    test "every public member is documented" {
        let shown, missing = PublicMembers.ofAssembly (Assembly.Load "Mcdrl.Dicom")
        Expect.isNonEmpty shown "the room shows something"
        Expect.equal missing [] "public members without a comment"
    }

let private tests () =
    [
        documented
        DcmtkTests.tests
        DicomPicturesTests.tests
        DicomSegmentationTests.tests
        DicomFramesTests.tests
    ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Dicom" (tests ())) argv
