namespace Mcdrl.Cli

open System.Diagnostics
open Argu
open Mcdrl

type PhantomArgument =
    | [<Mandatory; Unique>] Out of folder: string
    | [<Unique>] Sites of count: int
    | [<Unique>] Images of count: int
    | [<Unique>] Seed of number: uint64
    | [<Unique>] Side of pixels: int
    | [<Unique>] Confounded of bool
    | [<Unique>] Force

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Out _ -> "folder of the new dataset."
            | Sites _ -> "how many hospitals, 1 to 5. Default 5."
            | Images _ -> "frames of each hospital. Default 100."
            | Seed _ -> "what everything is drawn from; the same seed gives the same bytes. Default 1."
            | Side _ -> "width and height of the frames in pixels. Default 352."
            | Confounded _ ->
                "whether each class is mostly seen under its usual conditions (training data, default true) or under any (test data, false)."
            | Force -> "replace the phantom dataset that the folder holds."

/// `mcdrl phantom`
[<RequireQualifiedAccess>]
module PhantomVerb =
    let private run session (arguments: ParseResults<PhantomArgument>) =
        let request: PhantomRequest =
            {
                Out = arguments.GetResult PhantomArgument.Out
                Sites = arguments.GetResult(PhantomArgument.Sites, defaultValue = Phantom.sites.Length)
                Images = arguments.GetResult(PhantomArgument.Images, defaultValue = 100)
                Seed = arguments.GetResult(PhantomArgument.Seed, defaultValue = 1UL)
                Side = arguments.GetResult(PhantomArgument.Side, defaultValue = 352)
                Confounded = arguments.GetResult(PhantomArgument.Confounded, defaultValue = true)
                Force = arguments.Contains PhantomArgument.Force
            }

        let clock = Stopwatch.StartNew()

        ProgressBar.during session (PhantomDataset.write request)
        |> Result.map (fun found ->
            let seconds = clock.Elapsed.TotalSeconds
            let count = found.Frames.Length

            Session.say
                session
                $"{count} frames of {request.Sites} sites in {seconds:F1} s ({float count / seconds:F0} a second) in {request.Out}"

            Session.emit
                session
                (Json.object
                    [
                        "folder", Json.text request.Out
                        "sites", Json.whole (int64 request.Sites)
                        "frames", Json.whole (int64 count)
                        "seed", Json.text (string request.Seed)
                        "confounded", Json.flag request.Confounded
                        "seconds", Json.number seconds
                    ])

            0)

    let verb =
        Verb.create<PhantomArgument>
            "phantom"
            "renders a dataset of several sites whose causal truth is known"
            run
