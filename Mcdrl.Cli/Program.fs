module Mcdrl.Cli.Program

[<EntryPoint>]
let main arguments = Command.run Verbs.all arguments
