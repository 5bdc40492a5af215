namespace Mcdrl

open System.Globalization
open FsToolkit.ErrorHandling

/// A ranking as a file: a table for people, or lines that the next step of the loop reads.
[<RequireQualifiedAccess>]
module RankingFiles =
    /// Nats in three digits, however few they are.
    let nats (value: float) : string =
        value.ToString("G3", CultureInfo.InvariantCulture)

    let private csv (frames: RankedFrame list) =
        let optional = Option.map Csv.number >> Option.defaultValue ""

        Csv.lines
            [
                [
                    "place"
                    "image"
                    "disagreement"
                    "entropy"
                    "disagreement near lesion"
                    "entropy near lesion"
                    "alike"
                ]

                for frame in frames do
                    [
                        string frame.Place
                        frame.Image
                        optional frame.Disagreement
                        Csv.number frame.Entropy
                        optional frame.DisagreementNearLesion
                        Csv.number frame.EntropyNearLesion
                        string frame.Alike
                    ]
            ]

    let private lines (frames: RankedFrame list) =
        frames
        |> List.map (fun frame -> Printable.text ((RecordJson.toObject frame).ToJsonString()) + "\n")
        |> String.concat ""

    let private isOf (ending: string) (path: string) =
        path.EndsWith(ending, System.StringComparison.OrdinalIgnoreCase)

    /// How the file of this name is written; a `Usage` error for an ending other than .csv and .jsonl.
    let form (path: string) : Result<RankedFrame list -> string, McdrlError> =
        if isOf ".csv" path then
            Ok csv
        elif isOf ".jsonl" path then
            Ok lines
        else
            Error(
                McdrlError.usage
                    "a ranking is written as .csv or .jsonl"
                    path
                    "Give the file one of these endings"
            )

    /// Bytes of a list of some 200,000 frames.
    let private largest = 64L * 1024L * 1024L

    /// The images of a list that was written as .jsonl, the first place first.
    let images (path: string) : Result<string list, McdrlError> =
        result {
            let! text = Files.readText largest path

            let! frames =
                text.Split '\n'
                |> Seq.indexed
                |> Seq.filter (fun (_, line) -> line.Trim() <> "")
                |> List.ofSeq
                |> List.traverseResultM (fun (index, line) ->
                    RecordJson.parse<RankedFrame> $"{path}, line {index + 1}" line)

            return frames |> List.map _.Image
        }
