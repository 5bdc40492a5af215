namespace Mcdrl

open System.IO

/// A picture's label map, for those who write it in another tool's format.
[<NoComparison; NoEquality>]
type NamedMask =
    {
        /// What the format's file calls the picture: its path from where the pictures lie, with slashes.
        Name: string
        /// The picture's file.
        Image: string
        /// The map, upright: annotation tools show pictures so.
        Read: unit -> Result<LabelMap, McdrlError>
    }

/// Files made of masks that are read one by one, so that no more than one is in memory.
[<RequireQualifiedAccess>]
module internal NamedMasks =
    exception private Unread of McdrlError

    /// Writes a file of what `body` makes of the masks. One that can't be read ends it, and the old file stays.
    let write
        (path: string)
        (masks: NamedMask list)
        (body: Stream -> (NamedMask * LabelMap) seq -> unit)
        : Result<unit, McdrlError> =
        let read =
            seq {
                for mask in masks do
                    Interruption.check ()

                    match mask.Read() with
                    | Ok map -> mask, map
                    | Error problem -> raise (Unread problem)
            }

        try
            Files.writeAtomically path (fun stream -> body stream read)
        with Unread problem ->
            Error problem
