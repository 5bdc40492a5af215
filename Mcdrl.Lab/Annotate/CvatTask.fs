namespace Mcdrl

open System
open System.IO
open System.IO.Compression
open FsToolkit.ErrorHandling

/// What was made of frames for a person to correct.
type CvatTaskReport =
    {
        /// The task's folder or archive.
        Out: string
        /// Frames in it.
        Frames: int
        /// Of these, frames in which the model marks something.
        Marked: int
        /// Images that could not be read and are left out.
        Unread: int
    }

/// Frames with a model's answers as a task for CVAT: the pictures in `images`, and `annotations.xml` (“CVAT for images 1.1”).
[<RequireQualifiedAccess>]
module CvatTask =
    /// An image, its name in the task, and what the model marks in it, packed.
    type private Answered =
        {
            Image: string
            Name: string
            Map: byte[]
            IsMarked: bool
        }

    /// Names of the pictures in a task: their files' own, and where two have the same, with the folders below the one that holds all.
    let private names (images: string list) : (string * string) list =
        let parts (image: string) =
            (Path.GetFullPath image).Split('/', StringSplitOptions.RemoveEmptyEntries)
            |> Array.map FileName.ofText

        let all = images |> List.map parts
        let isUnique = (all |> List.distinctBy Array.last).Length = all.Length

        let shared =
            Seq.initInfinite id
            |> Seq.takeWhile (fun depth ->
                all
                |> List.forall (fun parts -> depth < parts.Length - 1 && parts[depth] = all.Head[depth]))
            |> Seq.length

        List.zip images all
        |> List.map (fun (image, parts) ->
            image,
            if isUnique then
                Array.last parts
            else
                parts |> Array.skip shared |> String.concat "/")

    let private packed (map: LabelMap) =
        use memory = new MemoryStream()
        Png.write memory map.Width map.Height None map.Labels
        memory.ToArray()

    let private answer engine (image: string, name: string) =
        result {
            let! picture = Images.read ImageLimits.standard image
            Interruption.check ()

            let! found =
                Engine.segment engine None Marking.standard picture
                |> Result.mapError (McdrlError.mapWhere (fun where -> $"{image}: {where}"))

            return
                {
                    Image = image
                    Name = name
                    Map = packed found.Upright
                    IsMarked = Array.exists ((<) 0uy) found.Upright.Labels
                }
        }

    let private annotate (engine: Engine) path (answers: Answered list) =
        let classes = engine.Classes |> List.mapi (fun index name -> byte (index + 1), name)

        CvatFile.writeEditable
            path
            classes
            [
                for answer in answers do
                    {
                        Name = answer.Name
                        Image = answer.Image
                        Read = fun () -> Masks.decode ImageLimits.standard answer.Name answer.Map
                    }
            ]

    /// What can't be read any more ends the writing as a fault of the disk does, and leaves the old file.
    let private copy (image: string) (target: Stream) =
        Files.reading image (fun stream -> Ok(stream.CopyTo target))
        |> Result.defaultWith (fun fault -> raise (IOException(McdrlError.describe fault)))

    let private annotations = "annotations.xml"

    let private toFolder engine (out: string) (answers: Answered list) =
        result {
            for answer in answers do
                do! Files.writeManyAtomically (Path.Combine(out, "images", answer.Name)) (copy answer.Image)

            Files.settle ()
            do! annotate engine (Path.Combine(out, annotations)) answers
        }

    let private toArchive engine (out: string) (answers: Answered list) =
        let folder = nonNull (Path.GetDirectoryName(Path.GetFullPath out))

        result {
            do! Files.attempt folder (fun () -> Directory.CreateDirectory folder |> ignore)
            let xml = Temporaries.path folder

            try
                do! annotate engine xml answers

                return!
                    Files.writeAtomically out (fun stream ->
                        use zip = new ZipArchive(stream, ZipArchiveMode.Create, true)

                        let add (name: string) level file =
                            use entry = (zip.CreateEntry(name, level)).Open()
                            copy file entry

                        for answer in answers do
                            add $"images/{answer.Name}" CompressionLevel.NoCompression answer.Image

                        add annotations CompressionLevel.Optimal xml)
            finally
                Temporaries.forget xml
        }

    let private isArchive (out: string) =
        out.EndsWith(".zip", StringComparison.OrdinalIgnoreCase)

    /// A folder that holds something is not mixed with a task; an archive of that name is replaced, if it is none of the images.
    let private prepare (images: string list) (out: string) =
        if isArchive out then
            Inputs.keep images out
        else
            Files.attempt out (fun () ->
                File.Exists out
                || Directory.Exists out
                   && not (Seq.isEmpty (Directory.EnumerateFileSystemEntries out)))
            |> Result.bind (fun isOccupied ->
                if isOccupied then
                    Error(
                        McdrlError.usage
                            "the folder is not empty"
                            out
                            "Give a new folder, or a name that ends in .zip"
                    )
                else
                    Ok())

    /// Makes a task of the images, a folder or, where `out` ends in .zip, an archive. `unread` is told of images that can't be read, which are
    /// left out; of each frame no more than its packed mask is kept until all are written.
    let write
        (engine: Engine)
        (images: string list)
        (out: string)
        (unread: string -> McdrlError -> unit)
        (progress: Progress)
        : Result<CvatTaskReport, McdrlError> =
        result {
            do! prepare images out
            let answers, failed = ResizeArray(), ResizeArray()

            let told (image, _) outcome =
                match outcome with
                | Ok answer -> answers.Add answer
                | Error McdrlError.Cancelled -> ()
                | Error fault ->
                    failed.Add image
                    unread image fault

            do!
                Engine.inOrder
                    engine
                    "segmenting"
                    (fun item ->
                        Interruption.during progress.Cancel (fun () ->
                            Guard.run (fst item) (fun () -> answer engine item)))
                    told
                    (Array.ofList (names images))
                    progress

            let answers = List.ofSeq answers

            do!
                if answers.IsEmpty then
                    Error(McdrlError.data "no image could be read" out "Name images that can be read")
                else
                    Ok()

            do! (if isArchive out then toArchive else toFolder) engine out answers

            return
                {
                    Out = out
                    Frames = answers.Length
                    Marked = answers |> List.filter _.IsMarked |> List.length
                    Unread = failed.Count
                }
        }
