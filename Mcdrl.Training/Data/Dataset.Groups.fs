namespace Mcdrl

open System
open System.IO

/// Frames that aren't independent of each other: those of a patient, or of a sequence.
type FrameGroup =
    {
        /// What they have in common.
        Kind: GroupKind
        /// As the dataset calls it, unique within its site.
        Name: string
    }

/// Compares the groups that a site declares with the frames that it has.
[<RequireQualifiedAccess>]
module FrameGroup =
    /// One of them in words.
    let noun kind =
        match kind with
        | GroupKind.Patients -> "patient"
        | GroupKind.Sequences -> "sequence"

    /// What is drawn for an interval, in words, e.g. `12 patients and 40 images`: the group of each, `None` for an image alone.
    let describe (drawn: FrameGroup option seq) : string =
        let kinds = drawn |> Seq.map (Option.map _.Kind) |> List.ofSeq

        [
            for kind, noun in
                [
                    Some GroupKind.Patients, noun GroupKind.Patients
                    Some GroupKind.Sequences, noun GroupKind.Sequences
                    None, "image"
                ] do
                match kinds |> List.filter ((=) kind) |> List.length with
                | 0 -> ()
                | 1 -> $"1 {noun}"
                | count -> $"{count} {noun}s"
        ]
        |> String.concat " and "

    let private holds (entry: string) (stem: string) =
        if entry.EndsWith '*' then
            stem.StartsWith(entry.TrimEnd '*', StringComparison.Ordinal)
        else
            String.Equals(entry, stem, StringComparison.Ordinal)

    let private several (names: string list) =
        let listed = names |> List.truncate 5 |> String.concat ", "

        if names.Length > 5 then
            $"{listed} and {names.Length - 5} more"
        else
            listed

    /// The group of each frame's name, and every fault: an entry that no frame has, a frame in several groups, frames in none. Empty
    /// where the site declares no groups.
    let ofSite
        (root: string)
        (site: SiteDescription)
        (stems: string list)
        : Map<string, FrameGroup> * McdrlError list =
        match site.Groups with
        | None -> Map.empty, []
        | Some groups ->
            let noun = noun groups.Kind
            let file = Path.Combine(root, "dataset.json")

            let place name =
                $"{file}: sites.{site.Site}.{noun}s{name}"

            let claims =
                [
                    for name, entries in groups.Frames do
                        for stem in stems do
                            if entries |> List.exists (fun entry -> holds entry stem) then
                                stem, name
                ]
                |> List.groupBy fst
                |> List.map (fun (stem, claims) -> stem, List.map snd claims)

            let claimed = claims |> List.map fst |> Set

            let faults =
                [
                    for name, entries in groups.Frames do
                        for entry in entries do
                            if not (stems |> List.exists (holds entry)) then
                                McdrlError.data
                                    $"the site has no frame {entry}"
                                    (place $".{name}")
                                    "Give the frame's name without ending, or the beginning of names and *"

                    for stem, names in claims do
                        if names.Length > 1 then
                            McdrlError.data
                                $"the frame {stem} is of several {noun}s: {several names}"
                                (place "")
                                "Keep it in one"

                    match stems |> List.filter (claimed.Contains >> not) with
                    | [] -> ()
                    | without ->
                        McdrlError.data
                            $"frames are of no {noun}: {several without}"
                            (place "")
                            $"Put every frame of the site into one, a frame alone into a {noun} of its own, or declare none"
                ]

            claims
            |> List.map (fun (stem, names) ->
                stem,
                {
                    Kind = groups.Kind
                    Name = names.Head
                })
            |> Map.ofList,
            faults
