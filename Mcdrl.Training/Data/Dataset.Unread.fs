namespace Mcdrl

open System
open System.IO

/// What lies in a dataset's folders of frames and masks and is not looked at.
[<RequireQualifiedAccess>]
module DatasetUnread =
    /// A line for each folder of frames or masks that has folders in it, which are not searched unless the site is nested; what operating
    /// systems leave, and folders that the description itself names, are not told. `path` is the dataset's folder or its `dataset.json`.
    let lines (path: string) : string list =
        match DatasetPairs.root path |> Result.mapError List.singleton with
        | Error _ -> []
        | Ok root ->
            match DatasetDescription.load root with
            | Error _ -> []
            | Ok description ->
                let named =
                    description.Sites
                    |> List.collect (fun site -> [ site.Images, site.Nested; site.Masks, site.Nested ])
                    |> List.filter (fun (folder, _) -> folder <> "" && not (folder.Contains '\000'))
                    |> List.choose (fun (folder, nested) ->
                        FileIdentity.realPath (Path.Combine(root, folder))
                        |> Option.map (fun folder -> folder, nested))
                    |> List.filter (fun (folder, _) ->
                        (folder + "/").StartsWith(root + "/", StringComparison.Ordinal))
                    |> List.distinct

                let isUsed (folder: string) =
                    named
                    |> List.exists (fun (used, _) ->
                        (used + "/").StartsWith(folder + "/", StringComparison.Ordinal))

                let below folder =
                    Files.attempt folder (fun () ->
                        Directory.EnumerateDirectories folder
                        |> Seq.filter (fun path ->
                            not (Leftovers.isName (nonNull (Path.GetFileName path))) && not (isUsed path))
                        |> Seq.map (fun path -> nonNull (Path.GetFileName path))
                        |> Seq.sort
                        |> List.ofSeq)
                    |> Result.defaultValue []

                [
                    for folder, nested in named |> List.filter (fst >> Directory.Exists) do
                        match below folder with
                        | [] -> ()
                        | _ when nested -> ()
                        | folders ->
                            let listed = folders |> List.truncate 10 |> String.concat ", "
                            $"{folder}: {folders.Length} folders in it are not searched: {listed}; with \"nested\": true in its site they are"
                ]
