namespace Mcdrl.Cli

open System
open System.IO
open Argu
open Mcdrl

type WeightsGetArgument =
    | [<MainCommand; ExactlyOnce>] Name of repository: string
    | [<Unique>] Revision of revision: string
    | [<Unique>] File of name: string
    | [<Unique>] Sha256 of digest: string
    | [<Unique>] Out of folder: string
    | [<Unique>] Hub of address: string
    | [<Unique>] Offline

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Name _ ->
                let listed = Hub.names |> List.map fst |> String.concat ", "
                $"the repository, OWNER/NAME, or one of {listed}."
            | Revision _ -> "a branch, tag or commit; a commit never changes. Default: main."
            | File _ -> "the weights file, where the repository has several."
            | Sha256 _ -> "what the weights must hash to; anything else is refused."
            | Out _ -> "the folder to put the files into. Default: one in the user's cache."
            | Hub _ -> $"the hub, in Hugging Face's layout. Default: HF_ENDPOINT, or {Hub.address}."
            | Offline -> "take what was fetched before, verified again, and never ask the network."

/// `mcdrl weights get`: the one verb that speaks to the network.
[<RequireQualifiedAccess>]
module WeightsGetVerb =
    let private variable name =
        Environment.GetEnvironmentVariable name
        |> Option.ofObj
        |> Option.filter ((<>) "")

    let private cache () =
        variable "XDG_CACHE_HOME"
        |> Option.defaultWith (fun () ->
            Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.UserProfile, ".cache"))
        |> fun folder -> Path.Combine(folder, "mcdrl")

    let private run session (arguments: ParseResults<WeightsGetArgument>) =
        let request: HubRequest =
            {
                Repository = arguments.GetResult WeightsGetArgument.Name
                Revision = arguments.GetResult(WeightsGetArgument.Revision, "main")
                File = arguments.TryGetResult WeightsGetArgument.File
                Sha256 = arguments.TryGetResult WeightsGetArgument.Sha256
                Out = arguments.TryGetResult WeightsGetArgument.Out
                Cache = cache ()
                Address =
                    arguments.TryGetResult WeightsGetArgument.Hub
                    |> Option.orElseWith (fun () -> variable "HF_ENDPOINT")
                    |> Option.defaultValue Hub.address
                Token = variable "HF_TOKEN"
                Offline = arguments.Contains WeightsGetArgument.Offline
            }

        ProgressBar.during session (Hub.get request)
        |> Result.map (fun report ->
            let name, digest = report.Weights

            Session.say
                session
                $"{report.Folder}: {name} of {report.Repository}, commit {report.Commit}, sha256 {digest}"

            Session.say
                session
                $"Use it with --weights \"{report.Folder}\"; --revision {report.Commit} fetches the same again."

            Session.emit
                session
                (Json.object
                    [
                        "folder", Json.text report.Folder
                        "repository", Json.text report.Repository
                        "commit", Json.text report.Commit
                        "file", Json.text name
                        "sha256", Json.text digest
                        "fetched_bytes", Json.whole report.Fetched
                    ])

            0)

    let verb =
        Verb.create<WeightsGetArgument>
            "weights get"
            "fetch pretrained weights from a hub, verified; the only verb that uses the network"
            run
