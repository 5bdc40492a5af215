module Mcdrl.Tests.Program

open Expecto

let private tests () = [ PhantomTests.tests ]

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Phantom" (tests ())) argv
