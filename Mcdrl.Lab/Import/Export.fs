namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// A site whose masks were written.
type ExportedSite =
    {
        /// As the dataset calls it.
        Site: string
        /// How many masks.
        Frames: int
        /// The folder that they are in.
        Folder: string
        /// The files of formats that have one for all frames, and folders or files of the others.
        Files: string list
    }

/// A dataset's masks in the formats of other tools, a folder for each site; `data import` of these gives the dataset again.
[<RequireQualifiedAccess>]
module DatasetExport =
    /// What pixels are called that count neither in training nor in scores.
    let ignored = "ignore"

    /// The labels of the dataset's maps and their names.
    let classes (dataset: Dataset) : (byte * string) list =
        let holdsIgnored =
            Array.contains (Some Ignored.label) dataset.LabelOf
            || dataset.Colours |> List.exists (fun (_, label) -> label = Ignored.label)

        [
            for index, name in List.indexed dataset.Classes do
                byte (index + 1), name
            if holdsIgnored then
                Ignored.label, ignored
        ]

    /// A site's masks; pictures are named by their paths within the dataset.
    let masks (dataset: Dataset) (site: DatasetSite) : NamedMask list =
        [
            for item in site.Items ->
                {
                    Name = Path.GetRelativePath(dataset.Folder, item.Image)
                    Image = item.Image
                    Read = fun () -> Dataset.labels dataset item
                }
        ]

    let private told (progress: Progress) stage (masks: NamedMask list) =
        let total = masks.Length

        masks
        |> List.mapi (fun index mask ->
            { mask with
                Read =
                    fun () ->
                        progress.Cancel.ThrowIfCancellationRequested()

                        progress.Tell
                            {
                                Stage = stage
                                Done = index
                                Total = total
                                Note = ""
                            }

                        mask.Read()
            })

    /// Writes all sites below `out` in these formats. The first mask that can't be read ends it.
    let run
        (dataset: Dataset)
        (out: string)
        (formats: (string * MaskFormat) list)
        (progress: Progress)
        : Result<ExportedSite list, McdrlError> =
        let names = classes dataset

        let write (site: DatasetSite) folder (name, format) =
            let masks = masks dataset site |> told progress $"{site.Name}: {name}"

            MaskFiles.write folder names masks format
            |> Result.map (fun () ->
                match format with
                | MaskFormat.Labelme -> [ Path.Combine(folder, "labelme") ]
                | MaskFormat.Nrrd -> [ folder ]
                | single -> MaskFiles.paths folder single masks)

        Guard.run out (fun () ->
            dataset.Sites
            |> List.traverseResultM (fun site ->
                result {
                    let folder = Path.Combine(out, FileName.ofText site.Name)
                    let! files = formats |> List.traverseResultM (write site folder)

                    return
                        {
                            Site = site.Name
                            Frames = site.Items.Length
                            Folder = folder
                            Files = List.concat files
                        }
                }))
