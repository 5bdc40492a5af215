module Mcdrl.Cli.Program

[<EntryPoint>]
let main arguments =
    Command.run [ OnnxSegmentVerb.verb; MergeVerb.verb; OnnxDoctorVerb.verb ] arguments
