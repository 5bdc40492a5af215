module Mcdrl.Model.Tests.Program

open Expecto

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Model" []) argv
