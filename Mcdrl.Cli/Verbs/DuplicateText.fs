namespace Mcdrl.Cli

open Mcdrl

/// Frames that occur in several sites, for people and as JSON.
[<RequireQualifiedAccess>]
module DuplicateText =
    /// Pairs that are shown to people.
    let private shown = 10

    /// What was found, in lines.
    let say session (found: DuplicateReport) =
        let line = Session.say session

        match found.Count with
        | 0 -> line $"No frame of one site looks like a frame of another ({found.Frames} frames compared)."
        | count ->
            let pairs =
                if count = 1 then
                    "1 pair of frames is"
                else
                    $"{count} pairs of frames are"

            line
                $"{pairs} in two sites, {found.SameFiles} of them byte for byte ({found.Frames} frames compared). A model trained on one site has seen these frames of the other:"

            for pair in found.Pairs |> List.truncate shown do
                let how =
                    if pair.SameFile then
                        "the same file"
                    else
                        $"{pair.Distance} of 512 bits differ"

                line $"  {pair.First.Site} {pair.First.Image}"
                line $"  {pair.Second.Site} {pair.Second.Image}: {how}"

            if count > shown then
                line $"  and {count - shown} more; --json lists the nearest {Duplicates.listed}."

    let private frame (known: KnownFrame) =
        Json.object [ "site", Json.text known.Site; "image", Json.text known.Image ]

    /// The same as one value.
    let json (found: DuplicateReport) =
        Json.object
            [
                "frames", Json.whole (int64 found.Frames)
                "threshold", Json.whole (int64 Duplicates.threshold)
                "count", Json.whole (int64 found.Count)
                "same_files", Json.whole (int64 found.SameFiles)
                "pairs",
                Json.array
                    [
                        for pair in found.Pairs ->
                            Json.object
                                [
                                    "first", frame pair.First
                                    "second", frame pair.Second
                                    "distance", Json.whole (int64 pair.Distance)
                                    "same_file", Json.flag pair.SameFile
                                ]
                            :> _
                    ]
            ]
