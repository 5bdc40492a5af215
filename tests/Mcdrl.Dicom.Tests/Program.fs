module Mcdrl.Tests.Program

open Expecto

let private tests () =
    [
        DcmtkTests.tests
        DicomPicturesTests.tests
        DicomSegmentationTests.tests
        DicomFramesTests.tests
    ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Dicom" (tests ())) argv
