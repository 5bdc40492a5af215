module Mcdrl.Tests.Program

open Expecto

let private tests () =
    [
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
