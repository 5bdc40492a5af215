namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// Where the results of one image go.
type SegmentTarget =
    {
        /// The image.
        Input: string
        /// Where its mask goes, a palette PNG.
        Mask: string
        /// Where its overlay goes: the image with the regions drawn in, a PNG.
        Overlay: string
        /// Where its `ImageReport` goes, as JSON.
        Report: string
        /// Where P(lesion) goes, a 16-bit grey PNG whose value 65535 is 1.
        Probability: string
        /// The picture sheet of an explanation.
        Sheet: string
        /// The folder of an explanation's maps.
        Maps: string
    }

/// From paths to images and the places of their results.
[<RequireQualifiedAccess>]
module SegmentTargets =
    let private nameOf (path: string) = nonNull (Path.GetFileName path)

    /// A path that is named, looked up.
    type private Named =
        | Image of string
        | Held of ImageFolderContents
        | Leftover of string

    let private none what path =
        Error(
            McdrlError.usage what path "Name an image, a folder of images or a pattern such as frames/*.png"
        )

    let private folderOf (path: string) =
        match Path.GetDirectoryName path with
        | null
        | "" -> "."
        | folder -> folder

    /// Whether a folder is the one that results go to, which is no input however deep it lies in one.
    let private isOutput (out: string) (folder: string) =
        Path.GetFullPath(folder).TrimEnd '/' = Path.GetFullPath(out).TrimEnd '/'

    /// The contents with those files as images too that aren't named so and for which `isImage` holds.
    let private withOthers (isImage: string -> bool) (found: ImageFolderContents) =
        let images, others =
            found.Others
            |> List.partition (fun name -> isImage (Path.Combine(found.Folder, name)))

        { found with
            Images =
                found.Images @ [ for name in images -> Path.Combine(found.Folder, name) ]
                |> List.sortWith (fun a b -> System.String.CompareOrdinal(a, b))
            Others = others
        }

    /// What a path stands for: a file, a folder, with all below it but what `isLeftOut` if that `isDeep`, or a pattern.
    let private lookUp isImage isDeep isLeftOut (path: string) : Result<Named, McdrlError> =
        let held = Result.map (withOthers isImage >> Held)
        let isThere = File.Exists path || Directory.Exists path

        if isThere && Leftovers.isName (nameOf path) then
            Ok(Leftover path)
        elif File.Exists path then
            Ok(Image path)
        elif isThere && isDeep then
            ImageFolder.readAllBut isLeftOut path |> held
        elif isThere then
            ImageFolder.read "*" path |> held
        elif not (ImageFolder.isPattern path) then
            none "there is no such file or folder" path
        elif Directory.Exists(ImageFolder.patternFolder path) then
            ImageFolder.readPattern isLeftOut path |> held
        else
            none "the folder does not exist" path

    /// An image, and the folder below the output folder that its results go to: the one that it has below the folder named.
    let private placed (root: string) (image: string) =
        image, nonNull (Path.GetDirectoryName(Path.GetRelativePath(root, image)))

    /// The images that a path stands for, placed.
    let private imagesOf
        isImage
        isDeep
        isLeftOut
        (path: string)
        : Result<(string * string) list, McdrlError> =
        lookUp isImage isDeep isLeftOut path
        |> Result.bind (fun named ->
            match named with
            | Image path -> Ok [ path, "" ]
            | Leftover _ -> Ok []
            | Held { Images = [] } when Directory.Exists path && isDeep ->
                none "neither the folder nor one in it holds an image" path
            | Held { Images = []; Below = [] } when Directory.Exists path ->
                none "the folder holds no image" path
            | Held { Images = [] } when Directory.Exists path ->
                Error(
                    McdrlError.usage
                        "the folder itself holds no image, and folders in it are not searched"
                        path
                        "Segment with “recursive”, or name a pattern such as 'frames/**/*.png'"
                )
            | Held { Images = [] } -> none "no image fits the pattern" path
            | Held found -> Ok(found.Images |> List.map (placed found.Folder)))

    let private othersBut isImage isLeftOut isDeep (paths: string list) =
        paths
        |> List.choose (fun path ->
            match lookUp isImage isDeep isLeftOut path with
            | Ok(Held found) -> ImageFolder.leftOut found
            | Ok(Leftover path) -> Some $"{path}: left out, the system's own"
            | Ok(Image _)
            | Error _ -> None)

    /// What of the paths is not segmented, a line each: files and folders in a folder that is named, and what operating systems
    /// leave. `isDeep`: folders in folders are searched too; `out` is where results go. Files that aren't named as images are images all the same where
    /// `isImage` holds.
    let leftOutBut (isImage: string -> bool) (isDeep: bool) (paths: string list) (out: string) : string list =
        othersBut isImage (isOutput out) isDeep paths

    /// `leftOutBut` where names alone say what is an image.
    let leftOut isDeep paths out =
        leftOutBut (fun _ -> false) isDeep paths out

    /// The images that paths stand for, each once, and the folder that each has below the folder named; all that is wrong with the paths at once.
    let private imagesBut isImage isLeftOut isDeep (paths: string list) =
        result {
            let! found =
                paths
                |> List.map (imagesOf isImage isDeep isLeftOut)
                |> List.sequenceResultA
                |> Result.mapError (fun faults -> McdrlError.Several(faults.Head, faults.Tail))

            let images =
                found
                |> List.concat
                |> List.distinctBy (fun (image, _) -> Path.GetFullPath image)

            if images.IsEmpty && not paths.IsEmpty then
                return! none "nothing but what operating systems leave is named" paths.Head
            else
                return images
        }

    /// The images that paths stand for (files, folders, patterns), each once with the folder that it has below the folder named, and a line
    /// about what else is there. With `isDeep`, folders in folders that are named are searched too. Everything wrong with the paths is reported at once.
    let images
        (isDeep: bool)
        (paths: string list)
        : Result<(string * string) list * string list, McdrlError> =
        let none (_: string) = false

        imagesBut none none isDeep paths
        |> Result.map (fun found -> found, othersBut none none isDeep paths)

    /// Where the results of an image go that goes to a folder below `out`, "" for `out` itself: files named after the image.
    let target (out: string) (input: string, folder: string) : SegmentTarget =
        let at ending =
            Path.Combine(out, folder, Images.stem input + ending)

        {
            Input = input
            Mask = at ".mask.png"
            Overlay = at ".overlay.png"
            Report = at ".json"
            Probability = at ".probability.png"
            Sheet = at ".explained.png"
            Maps = at ".explained"
        }

    /// Files that the results of an image go to, whatever is asked for, beside those of single classes and maps.
    let private filesOf (target: SegmentTarget) =
        [ target.Mask; target.Overlay; target.Report; target.Probability; target.Sheet ]

    /// The folders that results go to.
    let private foldersOf (targets: SegmentTarget list) =
        targets |> List.map (fun target -> folderOf target.Mask) |> List.distinct

    /// `Usage` errors about targets whose results would have the same name: `place` is a file that they go to.
    let collisions
        (place: 'target -> string)
        (input: 'target -> string)
        (targets: 'target list)
        : McdrlError list =
        targets
        |> List.groupBy place
        |> List.filter (fun (_, members) -> members.Length > 1)
        |> List.map (fun (file, members) ->
            let names = members |> List.map input |> String.concat ", "

            McdrlError.usage
                $"the results of {names} would have the same name"
                file
                "Segment them into different folders")

    /// `Usage` errors about inputs that one of the files of results would have the place of.
    let replacing (inputs: string list) (files: string seq) : McdrlError list =
        Inputs.overwritten inputs files
        |> List.map (fun (file, input) ->
            McdrlError.usage $"a result would replace the input {input}" file "Choose another “out”")

    /// Inputs that would be replaced by results: those that are in a folder that results go to, through whatever link or mount, and those
    /// that a result would have the place of.
    let private overwritten (inputs: string list) (targets: SegmentTarget list) =
        let from = inputs |> List.map (Path.GetFullPath >> folderOf) |> List.distinct

        match Inputs.overwritten from (foldersOf targets) with
        | [] -> targets |> Seq.collect filesOf |> replacing inputs
        | shared ->
            [
                for folder, _ in shared ->
                    McdrlError.usage "the output folder holds input images" folder "Choose another “out”"
            ]

    /// What stands where a folder for results is to be and is none.
    let private noFolders (targets: SegmentTarget list) out =
        out :: foldersOf targets
        |> List.distinctBy Path.GetFullPath
        |> List.choose (fun folder ->
            match FileIdentity.ofPath folder with
            | None
            | Some { Kind = FileKind.Folder } -> None
            | Some { Kind = kind } ->
                Some(
                    McdrlError.usage
                        $"this is {FileIdentity.describe kind}, not a folder"
                        folder
                        "Choose another “out”"
                ))

    /// Every image that the paths stand for and where its results go: into `out`, those of images below a folder that is named into a folder
    /// of the same name below it. With `isDeep`, folders in folders that are named are searched too. Everything wrong with the paths is
    /// reported at once, before any work: missing files, two images whose results would have one name, an output folder that
    /// is an input, an input that a result would replace. In folders and patterns files that aren't named as images are images all the same where
    /// `isImage` holds.
    let planWith
        (isImage: string -> bool)
        (isDeep: bool)
        (paths: string list)
        (out: string)
        : Result<SegmentTarget list, McdrlError> =
        result {
            let! inputs = imagesBut isImage (isOutput out) isDeep paths
            let targets = inputs |> List.map (target out)


            let faults =
                collisions _.Mask _.Input targets
                @ noFolders targets out
                @ overwritten (List.map fst inputs) targets

            match McdrlError.ofList faults with
            | Some faults -> return! Error faults
            | None -> return targets
        }

    /// `planWith` where names alone say what is an image.
    let plan isDeep paths out =
        planWith (fun _ -> false) isDeep paths out
