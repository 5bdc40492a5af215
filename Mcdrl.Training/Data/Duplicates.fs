namespace Mcdrl

open System.Collections.Generic

/// A frame with what it is recognised by.
type KnownFrame =
    {
        /// The site that has it.
        Site: string
        /// Path of the file.
        Image: string
        /// Digest of its file, and bits of its look.
        Fingerprint: Fingerprint
    }

/// Two frames of different sites that are, or look like, the same picture.
type DuplicatePair =
    {
        /// The one of the site that comes first in the data set.
        First: KnownFrame
        /// The one of the other site.
        Second: KnownFrame
        /// Differing bits of their looks, 0 to `Duplicates.threshold`.
        Distance: int
        /// Whether the files are equal byte for byte.
        SameFile: bool
    }

/// Frames that occur in more than one site.
type DuplicateReport =
    {
        /// Frames compared.
        Frames: int
        /// Pairs found.
        Count: int
        /// Of these, the pairs of equal files.
        SameFiles: int
        /// The nearest pairs first, at most `Duplicates.listed`.
        Pairs: DuplicatePair list
    }

/// Looks for the same picture in two sites: a frame that a model was trained on would be counted as one of a hospital
/// that it has never seen.
[<RequireQualifiedAccess>]
module Duplicates =
    /// Looks of at most this many differing bits, of 512, count as the same picture. How it was chosen: docs/data.md.
    let threshold = 90

    /// Pairs that a report lists.
    let listed = 1000

    /// Every frame is compared with every frame of the other sites: 50 million comparisons for 10,000 frames.
    let find (frames: KnownFrame[]) : DuplicateReport =
        // The farthest of those kept comes out first.
        let kept = PriorityQueue<struct (int * int * int), struct (int * int * int)>()
        let mutable count = 0
        let mutable same = 0

        let looks = frames |> Array.map _.Fingerprint.Look

        let numbers =
            frames
            |> Array.map _.Site
            |> Array.distinct
            |> Array.mapi (fun k site -> site, k)
            |> dict

        let sites = frames |> Array.map (fun frame -> numbers[frame.Site])

        for i in 0 .. frames.Length - 1 do
            for j in i + 1 .. frames.Length - 1 do
                if sites[i] <> sites[j] then
                    let distance = Fingerprints.distance looks[i] looks[j]

                    if distance <= threshold then
                        count <- count + 1

                        if frames[i].Fingerprint.Digest = frames[j].Fingerprint.Digest then
                            same <- same + 1

                        kept.Enqueue(struct (distance, i, j), struct (-distance, -i, -j))

                        if kept.Count > listed then
                            kept.Dequeue() |> ignore

        {
            Frames = frames.Length
            Count = count
            SameFiles = same
            Pairs =
                [
                    for struct (distance, i, j) in
                        kept.UnorderedItems |> Seq.map (fun (struct (pair, _)) -> pair) |> Seq.sort do
                        {
                            First = frames[i]
                            Second = frames[j]
                            Distance = distance
                            SameFile = frames[i].Fingerprint.Digest = frames[j].Fingerprint.Digest
                        }
                ]
        }
