module Mcdrl.Tests.Program

open System.Reflection
open Expecto

let private documented =
    test "every public member is documented" {
        let shown, missing = PublicMembers.ofAssembly (Assembly.Load "Mcdrl.Video")
        Expect.isNonEmpty shown "the room shows something"
        Expect.equal missing [] "public members without a comment"
    }

let private tests () =
    [
        documented
        VideoTimeTests.tests
        VideoClipTests.tests
        VideoFramesTests.tests
        BlockMotionTests.tests
        SmoothingTests.tests
        FlickerTests.tests
        TracksTests.tests
        VideoFilesTests.tests
        FfmpegTests.tests
    ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Video" (tests ())) argv
