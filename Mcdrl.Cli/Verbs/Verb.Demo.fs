namespace Mcdrl.Cli

open System.IO
open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DemoArgument =
    | [<Unique>] Out of folder: string
    | [<Unique>] Model of folder: string
    | [<Unique>] Data of folder: string
    | [<Unique>] Frames of count: int
    | [<Unique>] Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Out _ -> "where the page and all results go. Default: out/demo."
            | Model _ -> "the model's folder. Default: the model that comes with Mcdrl."
            | Data _ ->
                "a dataset whose frames are shown beside their truth. Default: the frames that come with Mcdrl, of a hospital that the model has never seen."
            | Frames _ -> "how many frames of each site, evenly spaced. Default 24."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl demo`
[<RequireQualifiedAccess>]
module DemoVerb =
    let private run session (arguments: ParseResults<DemoArgument>) =
        result {
            let! frames =
                match arguments.GetResult(Frames, defaultValue = 24) with
                | frames when frames > 0 -> Ok frames
                | frames ->
                    Error(McdrlError.usage "no frame would be shown" $"--frames {frames}" "Give 1 or more")

            let! model = ModelFolder.orEmbedded session (arguments.TryGetResult Model)

            let request: DemoRequest =
                {
                    Out =
                        Path.GetFullPath(arguments.GetResult(Out, defaultValue = Path.Combine("out", "demo")))
                    Model = model
                    Data = arguments.TryGetResult Data
                    Frames = frames
                    Device = arguments.GetResult(Device, defaultValue = "cpu")
                }

            let! found = ProgressBar.during session (Demo.run request)
            let say = Session.say session
            say found.Dataset

            for frame in found.Frames do
                say $"  {frame.Name, -28}{DemoFrame.said frame}"

            say $"{found.Frames.Length} frames in {found.Seconds:F0} s."
            say ""
            say $"Open {found.Page}"
            Session.emit session (RecordJson.toObject found)
            return 0
        }

    let verb =
        Verb.create<DemoArgument>
            "demo"
            "segments and explains frames whose truth is known, and shows them on a page beside it"
            run
