namespace Mcdrl.Cli

open System.IO
open Argu
open Mcdrl

type DemoArgument =
    | Out of folder: string
    | Model of folder: string
    | Data of folder: string
    | Device of name: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Out _ -> "where the page and all results go. Default: out/demo."
            | Model _ -> "the model's folder. Default: the model that comes with Mcdrl."
            | Data _ ->
                "a dataset, every frame of which is shown beside its truth. Default: the frames that come with Mcdrl, of a hospital that the model has never seen."
            | Device _ -> "cpu, cuda, cuda:N or auto. Default cpu."

/// `mcdrl demo`
[<RequireQualifiedAccess>]
module DemoVerb =
    let private run session (arguments: ParseResults<DemoArgument>) =
        ModelFolder.orEmbedded session (arguments.TryGetResult Model)
        |> Result.bind (fun model ->
            let request: DemoRequest =
                {
                    Out = Path.GetFullPath(arguments.GetResult(Out, defaultValue = Path.Combine("out", "demo")))
                    Model = model
                    Data = arguments.TryGetResult Data
                    Device = arguments.GetResult(Device, defaultValue = "cpu")
                }

            ProgressBar.during session (Demo.run request))
        |> Result.map (fun found ->
            let say = Session.say session
            say found.Dataset

            for frame in found.Frames do
                say $"  {frame.Name, -28}{DemoFrame.said frame}"

            say $"{found.Frames.Length} frames in {found.Seconds:F0} s."
            say ""
            say $"Open {found.Page}"
            Session.emit session (RecordJson.toObject found)
            0)

    let verb =
        Verb.create<DemoArgument>
            "demo"
            "segments and explains frames whose truth is known, and shows them on a page beside it"
            run
