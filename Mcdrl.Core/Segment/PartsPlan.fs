namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open FsToolkit.ErrorHandling

/// What all parts of a list have in common: everything that decides what the list comes to, besides the images themselves.
type PartsPlan =
    {
        /// Of Mcdrl.
        Release: string
        /// The list's file, as whoever began named it. It may lie elsewhere for others.
        List: string
        /// Of the list's file.
        ListSha256: string
        /// How many it names.
        Images: int64
        /// Into how many parts it is divided.
        Parts: int
        /// Of the model's manifest, or of the exported file.
        ModelSha256: string
        /// How to intervene, where it was said.
        Mode: string option
        /// P(lesion) from which pixels are marked, where it was said.
        Threshold: float option
        /// Smaller regions are not marked.
        MinArea: int64
        /// Whether what answers depend on is written too.
        Explain: bool
        /// Whether probabilities are written too.
        Probabilities: bool
        /// What is computed in, where it was said.
        Precision: string option
        /// Mirror images that are averaged, where it was said.
        Flips: string option
    }

/// That a part is done. It is written last.
type PartDone =
    {
        /// Digest of the plan that it was done for.
        Plan: string
        /// Of the part's lines.
        Sha256: string
        /// How many images it holds.
        Images: int64
        /// How many of them could not be segmented.
        Failed: int64
        /// How many of them an earlier process had segmented.
        Reused: int64
        /// Of the process that ended it.
        Seconds: float
        /// Where that ran.
        Machine: string
    }

/// Where the parts of a list are told below the folder that its results go to. No result has one of these names.
[<RequireQualifiedAccess>]
module PartFiles =
    let private inner (out: string) = Path.Combine(out, ".parts")

    /// The plan of all parts.
    let plan (out: string) = Path.Combine(inner out, "plan")

    /// The lines of a part, one an image.
    let lines (out: string) (index: int) =
        Path.Combine(out, $"part-{index}.jsonl")

    /// That a part is done.
    let isDone (out: string) (index: int) = Path.Combine(out, $"part-{index}.done")

    /// What holds a part for one process.
    let lease (out: string) (index: int) =
        Path.Combine(inner out, $"part-{index}.lease")

    /// Where a process writes the lines of a part until it has them all.
    let newJournal (out: string) (index: int) =
        Path.Combine(inner out, $"part-{index}.{Guid.NewGuid():N}.journal")

    /// What processes that ended before they had all have left of a part.
    let journals (out: string) (index: int) : string list =
        if Directory.Exists(inner out) then
            Directory.GetFiles(inner out, $"part-{index}.*.journal") |> List.ofArray
        else
            []

    /// Files with lines of a part, all or not, that earlier processes wrote.
    let earlier (out: string) (index: int) : string list =
        [
            if File.Exists(lines out index) then
                lines out index
            yield! journals out index
        ]

    /// The lines of all parts.
    let merged (out: string) = Path.Combine(out, "images.jsonl")

/// Plans of parts, and whether a part is done.
[<RequireQualifiedAccess>]
module PartsPlan =
    let private withoutPlace (plan: PartsPlan) = { plan with List = "" }

    /// Lower-case hexadecimal sha256 of all that decides.
    let digest (plan: PartsPlan) : string =
        withoutPlace plan
        |> RecordJson.render
        |> Encoding.UTF8.GetBytes
        |> SHA256.HashData
        |> Convert.ToHexStringLower

    /// What differs between two plans, each by its key, as it is there and as it is here.
    let differences (there: PartsPlan) (here: PartsPlan) : string list =
        let fields plan = RecordJson.toObject (withoutPlace plan)

        let text (value: JsonNode | null) =
            match value with
            | null -> "not said"
            | value -> value.ToJsonString()

        let here = fields here

        [
            for field in fields there do
                if not (JsonNode.DeepEquals(field.Value, here[field.Key])) then
                    $"{field.Key} ({text field.Value} there, {text here[field.Key]} here)"
        ]

    /// The plan of a folder; `None` where there is none yet.
    let read (out: string) : Result<PartsPlan option, McdrlError> =
        let file = PartFiles.plan out

        if File.Exists file then
            RecordJson.ofFile<PartsPlan> file |> Result.map Some
        else
            Ok None

    /// A `Usage` error that says what differs where the folder holds parts of another plan.
    let check (out: string) (plan: PartsPlan) : Result<unit, McdrlError> =
        read out
        |> Result.bind (fun found ->
            match found |> Option.map (fun there -> differences there plan) with
            | None
            | Some [] -> Ok()
            | Some keys ->
                let listed = String.concat ", " keys

                Error(
                    McdrlError.usage
                        $"it holds what another plan comes to; they differ in {listed}"
                        out
                        "Repeat the call with the same list, parts, model and settings, or choose another “out”"
                ))

    /// Writes the plan where there is none yet; an error as of `check` where there is another, also one that came at the same time.
    let settle (out: string) (plan: PartsPlan) : Result<unit, McdrlError> =
        result {
            do! check out plan

            if not (File.Exists(PartFiles.plan out)) then
                do! Files.writeText (PartFiles.plan out) (RecordJson.render plan)

            return! check out plan
        }

    /// What a part came to, if it is done and its lines are as they were written.
    let doneOf (out: string) (plan: PartsPlan) (index: int) : PartDone option =
        let file = PartFiles.isDone out index

        if File.Exists file then
            RecordJson.ofFile<PartDone> file
            |> Result.toOption
            |> Option.filter (fun found ->
                found.Plan = digest plan
                && Files.sha256 (PartFiles.lines out index) = Ok found.Sha256)
        else
            None
