module Mcdrl.Tests.Program

open System.Reflection
open Expecto

let private documented =
    test "every public member is documented" {
        let shown, missing = PublicMembers.ofAssembly (Assembly.Load "Mcdrl.Serve")
        Expect.isNonEmpty shown "the room shows something"
        Expect.equal missing [] "public members without a comment"
    }

let private tests () =
    [
        documented
        ServeSettingsTests.tests
        WorkersTests.tests
        ImageAnswersTests.tests
        InferAnswerTests.tests
        AdmissionTests.tests
        OpenApiTests.tests
        ServiceTests.tests
        PageTests.tests
    ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Serve" (tests ())) argv
