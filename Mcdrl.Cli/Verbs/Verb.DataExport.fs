namespace Mcdrl.Cli

open Argu
open FsToolkit.ErrorHandling
open Mcdrl

type DataExportArgument =
    | [<Mandatory; Unique>] Data of folder: string
    | [<Mandatory; Unique>] Out of folder: string
    | [<Mandatory; Unique>] Format of names: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Data _ -> "the dataset's folder, or the dataset.json in it."
            | Out _ ->
                "where the files go, a folder for each site; frames are named by their paths in the dataset, and stay there."
            | Format _ -> FormatNames.usage

/// `mcdrl data export`
[<RequireQualifiedAccess>]
module DataExportVerb =
    let private run session (arguments: ParseResults<DataExportArgument>) =
        result {
            let! formats =
                FormatNames.parse (FormatNames.split (arguments.GetResult DataExportArgument.Format))

            let! dataset = Dataset.load (arguments.GetResult DataExportArgument.Data)
            let out = arguments.GetResult DataExportArgument.Out
            let! sites = ProgressBar.during session (DatasetExport.run dataset out formats)

            for site in sites do
                let files = String.concat ", " site.Files
                Session.say session $"{site.Site}: {site.Frames} masks in {files}"

                Session.emit
                    session
                    (Json.object
                        [
                            "site", Json.text site.Site
                            "frames", Json.whole (int64 site.Frames)
                            "folder", Json.text site.Folder
                            "files", Json.array [ for file in site.Files -> Json.text file ]
                        ])

            return 0
        }

    let verb =
        Verb.create<DataExportArgument>
            "data export"
            "writes a dataset's masks in the formats of other tools: COCO, CVAT, labelme, NRRD, TIFF"
            run
