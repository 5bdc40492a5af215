module Mcdrl.Tests.Program

open Expecto

let private tests =
    [ SourceNamesTests.tests; RulesTests.tests; DocumentsTests.tests ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "House" tests) argv
