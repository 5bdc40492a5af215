module Mcdrl.Runtime.Tests.Program

open Expecto

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Runtime" []) argv
