namespace Mcdrl

open System

/// What operating systems, file managers, archivers and network drives leave in folders unasked. It is no frame, no mask and no
/// dataset, whatever its name ends in.
[<RequireQualifiedAccess>]
module Leftovers =
    let private names =
        set
            [
                ".ds_store"
                ".localized"
                ".spotlight-v100"
                ".trashes"
                ".fseventsd"
                ".temporaryitems"
                ".documentrevisions-v100"
                ".volumeicon.icns"
                ".appledouble"
                ".appledesktop"
                "__macosx"
                "icon\r"
                "thumbs.db"
                "ehthumbs.db"
                "ehthumbs_vista.db"
                "desktop.ini"
                "$recycle.bin"
                "system volume information"
                ".directory"
                ".thumbnails"
                "lost+found"
                "@eadir"
                "#recycle"
                ".picasa.ini"
            ]

    /// AppleDouble, files of NFS and FUSE that were deleted while open, locks of office programs, bins of other disks, and our own
    /// files in the making.
    let private beginnings =
        [
            "._"
            ".nfs"
            ".fuse_hidden"
            ".~lock."
            ".trash-"
            ".goutputstream-"
            ".mcdrl-"
        ]

    /// Whether a file's or folder's name is one of these.
    let isName (name: string) =
        names.Contains(name.ToLowerInvariant())
        || beginnings
           |> List.exists (fun beginning -> name.StartsWith(beginning, StringComparison.OrdinalIgnoreCase))

    /// Whether a path has such a name anywhere.
    let isPath (path: string) = path.Split '/' |> Array.exists isName
