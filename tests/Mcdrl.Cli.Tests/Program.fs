module Mcdrl.Cli.Tests.Program

open Expecto

[<EntryPoint>]
let main argv =
    ExpectoMtp.main (testList "Cli" []) argv
