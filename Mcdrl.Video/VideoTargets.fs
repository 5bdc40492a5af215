namespace Mcdrl

open System.IO

/// A clip and where its results go.
type VideoTarget =
    {
        /// The clip.
        Input: string
        /// Where its overlay goes, but for the ending, which depends on the clip's sound.
        Overlay: string
        /// Where its mask goes.
        Mask: string
        /// Where its JSON lines go.
        Lines: string
        /// Where its `VideoReport` goes, as JSON.
        Report: string
    }

/// From clips to the places of their results.
[<RequireQualifiedAccess>]
module VideoTargets =
    /// Sound that MP4 takes as it is; with other sound, the overlay is Matroska, which takes any.
    let private soundOfMp4 = [ "aac"; "mp3"; "ac3"; "eac3"; "alac"; "opus"; "flac" ]

    /// Ending and format of a clip's overlay.
    let internal container (clip: VideoClip) =
        match clip.Sound with
        | Some codec when not (List.contains codec soundOfMp4) -> ".mkv", "matroska"
        | _ -> ".mp4", "mp4"

    let private filesOf (target: VideoTarget) =
        [
            target.Overlay + ".mp4"
            target.Overlay + ".mkv"
            target.Mask
            target.Lines
            target.Report
        ]

    let private target (out: string) (input: string) : VideoTarget =
        let at ending =
            Path.Combine(out, nonNull (Path.GetFileNameWithoutExtension input) + ending)

        {
            Input = input
            Overlay = at ".overlay"
            Mask = at ".mask.mkv"
            Lines = at ".frames.jsonl"
            Report = at ".tracks.json"
        }

    /// Where the results of each clip go. Results that would have the same name or replace a clip are `Usage` errors, all told at once.
    let plan (paths: string list) (out: string) : Result<VideoTarget list, McdrlError> =
        let targets = paths |> List.distinctBy Path.GetFullPath |> List.map (target out)

        let faults =
            SegmentTargets.collisions _.Mask _.Input targets
            @ SegmentTargets.replacing paths (Seq.collect filesOf targets)

        match McdrlError.ofList faults with
        | Some faults -> Error faults
        | None -> Ok targets
