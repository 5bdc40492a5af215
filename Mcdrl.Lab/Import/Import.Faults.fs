namespace Mcdrl

/// What can be wrong with a file of a published dataset.
[<RequireQualifiedAccess>]
type internal ImportFaultKind =
    | ImageWithoutMask
    | MaskWithoutImage
    | SameName
    | Unreadable
    | OtherSize
    | UnclearMask
    | MissingImage
    | UnclearShape

/// One thing that is wrong with one file.
type internal ImportFault =
    {
        Kind: ImportFaultKind
        /// The file.
        Where: string
        /// What is particular to this file; may be empty.
        Detail: string
    }

[<RequireQualifiedAccess>]
module internal ImportFault =
    /// In the order in which they are reported.
    let kinds =
        [
            ImportFaultKind.ImageWithoutMask
            ImportFaultKind.MaskWithoutImage
            ImportFaultKind.SameName
            ImportFaultKind.Unreadable
            ImportFaultKind.OtherSize
            ImportFaultKind.UnclearMask
            ImportFaultKind.MissingImage
            ImportFaultKind.UnclearShape
        ]

    /// What `count` files have wrong with them.
    let describe kind count =
        let one, many =
            match kind with
            | ImportFaultKind.ImageWithoutMask -> "image has no mask", "images have no mask"
            | ImportFaultKind.MaskWithoutImage -> "mask has no image", "masks have no image"
            | ImportFaultKind.SameName ->
                "file shares its name with another of the same site",
                "files share their names with others of the same site"
            | ImportFaultKind.Unreadable -> "file can't be read", "files can't be read"
            | ImportFaultKind.OtherSize ->
                "mask is of another size than its image", "masks are of another size than their images"
            | ImportFaultKind.UnclearMask ->
                "mask holds what its dataset's rule doesn't explain",
                "masks hold what their dataset's rule doesn't explain"
            | ImportFaultKind.MissingImage -> "annotated image isn't found", "annotated images aren't found"
            | ImportFaultKind.UnclearShape -> "annotation can't be drawn", "annotations can't be drawn"

        if count = 1 then $"1 {one}" else $"{count} {many}"

    /// Files named in the summary of a kind.
    let private examples = 5

    /// One error for each kind, with how many files it concerns and the first of them. Resource limits and refusals of
    /// the system stay what they are: `Unreadable`.
    let summarise (faults: ImportFault list) : McdrlError list =
        [
            for kind in kinds do
                match faults |> List.filter (fun fault -> fault.Kind = kind) with
                | [] -> ()
                | first :: _ as all ->
                    let listed =
                        all
                        |> List.truncate examples
                        |> List.map (fun fault ->
                            if fault.Detail = "" then
                                fault.Where
                            else
                                $"{fault.Where} ({fault.Detail})")
                        |> String.concat "; "

                    let more =
                        if all.Length > examples then
                            $"; and {all.Length - examples} more"
                        else
                            ""

                    McdrlError.data
                        $"{describe kind all.Length}: {listed}{more}"
                        first.Where
                        "Correct them, or leave them out with “skip”"
        ]
