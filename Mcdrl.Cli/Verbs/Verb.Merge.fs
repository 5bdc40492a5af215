namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type MergeArgument =
    | [<Mandatory; Unique>] Out of folder: string
    | [<Unique>] List of file: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Out _ -> "the folder that `mcdrl segment --list` was given as --out."
            | List _ -> "the list, where it isn't where it was when the parts were begun."

/// `mcdrl merge`
[<RequireQualifiedAccess>]
module MergeVerb =
    let private told (merged: MergedParts) =
        match merged.Missing with
        | [] -> $"{merged.Images} images of {merged.Parts} parts in {merged.File}"
        | missing -> $"parts missing, {missing.Length} of {merged.Parts}: {Part.listed missing}"

    let private run session (arguments: ParseResults<MergeArgument>) =
        result {
            let out = arguments.GetResult MergeArgument.Out

            let! merged =
                ProgressBar.during session (MergeParts.run out (arguments.TryGetResult MergeArgument.List))

            if merged.Missing.IsEmpty then
                Session.say session (told merged)
            else
                Session.warn session (told merged)

            if merged.Failed > 0L then
                Session.warn
                    session
                    $"{merged.Failed} images could not be segmented; their lines in {merged.File} have an error"

            Session.emit
                session
                (Json.object
                    [
                        "parts", Json.whole (int64 merged.Parts)
                        "missing", Json.array [ for index in merged.Missing -> Json.whole (int64 index) ]
                        "images", Json.whole merged.Images
                        "failed", Json.whole merged.Failed
                        "file", Json.text merged.File
                    ])

            return
                if merged.Missing.IsEmpty && merged.Failed = 0L then
                    0
                else
                    1
        }

    let verb =
        Verb.create<MergeArgument>
            "merge"
            "makes one file of what the parts of `segment --list` tell, or names the parts that are missing"
            run
