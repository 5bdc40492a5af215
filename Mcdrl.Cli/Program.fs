module Mcdrl.Cli.Program

[<EntryPoint>]
let main _ = 0
