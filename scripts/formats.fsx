// Writes a dataset's masks in every format, reads them back, and counts what is different: `dotnet fsi scripts/formats.fsx DATASET FOLDER`.
// COCO, labelme and CVAT are read by `data import`, which copies the frames too; NRRD and TIFF by their specifications.
// Times are those of all processors together, to be the same on a machine that does other work beside.
#load "load.fsx"
#r "BitMiracle.LibTiff.NET.dll"

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.IO.Compression
open BitMiracle.LibTiff.Classic
open Mcdrl

let given = fsi.CommandLineArgs

let orStop result =
    result |> Result.defaultWith (McdrlError.describe >> failwith)

let dataset = orStop (Dataset.load given[1])
let folder = Path.GetFullPath given[2]

let timed work =
    let self = Process.GetCurrentProcess()
    let before = self.TotalProcessorTime
    let found = work ()
    self.Refresh()
    found, (self.TotalProcessorTime - before).TotalSeconds

/// Marked pixels of a map by class, as texts: importing orders classes anew.
let named (classes: string list) (map: LabelMap) =
    map.Labels
    |> Array.map (fun label -> if label = 0uy then "" else classes[int label - 1])

let imported format out =
    let source =
        ImportCatalogue.find format |> Result.defaultWith (fun _ -> failwith format)

    let report =
        Import.run
            {
                Sources =
                    [
                        for site in dataset.Sites -> source, Path.Combine(out, FileName.ofText site.Name)
                    ]
                Out = Path.Combine(out, "imported")
                As = None
                Labels = []
                Options =
                    {
                        Images = Some dataset.Folder
                        Site = None
                        ByFolder = false
                    }
                Licence = None
                Skip = false
            }
            Progress.none
        |> orStop

    if not report.Written then
        failwith (McdrlError.describe report.Problems.Head)

    let again = orStop (Dataset.load (Path.Combine(out, "imported")))

    fun (item: DatasetItem) ->
        let site = again.Sites |> List.find (fun site -> site.Name = item.Site)
        let stem = nonNull (Path.GetFileNameWithoutExtension item.Image)
        let found = site.Items |> Array.find (fun found -> found.Stem = stem)
        named again.Classes (orStop (Dataset.labels again found))

let ofNrrd out (item: DatasetItem) =
    let name =
        Path.ChangeExtension(Path.GetRelativePath(dataset.Folder, item.Image), ".seg.nrrd")

    let bytes =
        File.ReadAllBytes(Path.Combine(out, FileName.ofText item.Site, nonNull name))

    let data = bytes.AsSpan().IndexOf("\n\n"B) + 2
    use unpacked = new MemoryStream()

    use packed =
        new GZipStream(new MemoryStream(bytes, data, bytes.Length - data), CompressionMode.Decompress)

    packed.CopyTo unpacked

    unpacked.ToArray()
    |> Array.map (fun label -> if label = 0uy then "" else dataset.Classes[int label - 1])

let ofTiff out =
    let pages = Dictionary<string, string[]>()

    for site in dataset.Sites do
        use tiff =
            nonNull (Tiff.Open(Path.Combine(out, FileName.ofText site.Name, "masks.tif"), "r"))

        let mutable isMore = true

        while isMore do
            let bytes = Array.zeroCreate<byte>(tiff.StripSize())
            tiff.ReadEncodedStrip(0, bytes, 0, bytes.Length) |> ignore
            let fields = nonNull (tiff.GetField TiffTag.PAGENAME)
            let name = string fields[0]

            pages[name] <-
                bytes
                |> Array.map (fun label -> if label = 0uy then "" else dataset.Classes[int label - 1])

            isMore <- tiff.ReadDirectory()

    fun (item: DatasetItem) -> pages[Path.GetRelativePath(dataset.Folder, item.Image)]

let dice (truth: string[]) (found: string[]) =
    let both =
        Array.fold2 (fun sum a b -> if a <> "" && a = b then sum + 1 else sum) 0 truth found

    let marked values =
        values |> Array.sumBy (fun value -> if value = "" then 0 else 1)

    let all = marked truth + marked found
    if all = 0 then 1.0 else 2.0 * float both / float all

let size path =
    DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories)
    |> Seq.sumBy _.Length

printfn "| format | write, s | MB | read, s | masks | pixels that differ | smallest Dice |"
printfn "|---|---|---|---|---|---|---|"

for name, format in MaskFiles.formats do
    let out = Path.Combine(folder, name)

    let _, writing =
        timed (fun () -> orStop (DatasetExport.run dataset out [ name, format ] Progress.none))

    let bytes = size out

    let read, reading =
        timed (fun () ->
            match format with
            | MaskFormat.Coco
            | MaskFormat.CocoRle -> imported "coco" out
            | MaskFormat.Cvat -> imported "cvat" out
            | MaskFormat.Labelme -> imported "labelme" out
            | MaskFormat.Nrrd -> ofNrrd out
            | MaskFormat.Tiff -> ofTiff out)

    let mutable masks, differing, smallest = 0, 0, 1.0

    for site in dataset.Sites do
        for item in site.Items do
            let truth = named dataset.Classes (orStop (Dataset.labels dataset item))
            let found = read item
            masks <- masks + 1

            differing <-
                differing
                + Array.fold2 (fun sum a b -> if a = b then sum else sum + 1) 0 truth found

            smallest <- min smallest (dice truth found)

    printfn
        $"| {name} | {writing:F1} | {float bytes / 1e6:F1} | {reading:F1} | {masks} | {differing} | {smallest:F6} |"
