namespace Mcdrl

open System
open System.Collections.Generic
open System.IO
open System.Runtime.InteropServices
open System.Text.Json.Nodes
open System.Threading
open FsToolkit.ErrorHandling

/// Answers about images, computed by the thread that asks.
[<RequireQualifiedAccess>]
module ImageAnswers =
    /// What `/segment` may answer with; the first where nothing is asked for.
    let segmentOutputs =
        [ "json"; "mask"; "overlay"; "probability"; "picture"; "coco"; "maps" ]

    /// What `/explain` may answer with.
    let explainOutputs = [ "json"; "sheet"; "files" ]

    /// Where the results of an image would go, by the caller's name for it.
    let private targetOf (name: string option) =
        let plain =
            name
            |> Option.bind (fun name -> Path.GetFileName name |> Option.ofObj)
            |> Option.filter ((<>) "")
            |> Option.defaultValue "image"

        SegmentTargets.target "" (FileName.ofText plain, "")

    /// Work that nobody waits for any more ends here.
    let private wanted (cancel: CancellationToken) =
        if cancel.IsCancellationRequested then
            Error(Problem.create Problem.callerGone "the caller has gone" "the connection" "Ask again")
        else
            Ok()

    /// The picture of a file, and how many the file holds.
    let decode limits (target: SegmentTarget) (bytes: byte[]) : Result<Picture * int, ProblemReport> =
        Guard.run target.Input (fun () -> Images.decode limits target.Input bytes)
        |> Result.map (fun picture -> picture, Images.pictures bytes)
        |> Result.mapError Problem.ofRequest

    let private answered found = Result.mapError Problem.ofAnswer found

    let private probabilityPng segmentation =
        use memory = new MemoryStream()
        ProbabilityMaps.lesionTo memory segmentation
        memory.ToArray()

    let private overlay (picture: Picture) (segmentation: SegmentationResult) =
        Overlay.png segmentation.Classes picture segmentation.Upright None |> answered

    let private coco (target: SegmentTarget) (segmentation: SegmentationResult) =
        let classes =
            segmentation.Classes |> List.mapi (fun index name -> byte (index + 1), name)

        use memory = new MemoryStream()
        CocoFile.writeTo memory false classes [ target.Input, segmentation.Upright ]
        Text.Encoding.UTF8.GetString(memory.ToArray())

    let private base64 (bytes: byte[]) : JsonNode | null =
        JsonValue.Create(Convert.ToBase64String bytes)

    /// The network's own map of each class, as it is before it is enlarged.
    let private maps (segmentation: SegmentationResult) : JsonNode | null =
        JsonObject(
            [
                KeyValuePair(
                    "shape",
                    JsonArray
                        [|
                            for size in
                                [ segmentation.Classes.Length + 1; segmentation.Side; segmentation.Side ] ->
                                JsonValue.Create size :> JsonNode | null
                        |]
                    :> JsonNode | null
                )
                KeyValuePair(
                    "float32",
                    base64 (MemoryMarshal.AsBytes(ReadOnlySpan segmentation.Probabilities).ToArray())
                )
            ]
        )

    /// One output alone is itself; several are an object with a key for each, files in base64.
    let private together outputs (alone: string -> Result<Content, ProblemReport>) inObject =
        match outputs with
        | [ output ] when output <> "maps" && output <> "files" -> alone output
        | several ->
            result {
                let found = JsonObject()

                for output in several do
                    let! (value: JsonNode | null) = inObject output
                    found.Add(output, value)

                return Content.json (found.ToJsonString())
            }

    /// Where results about an image would go, its first picture, how many its file holds, and what `ask` says of it, unless the caller has gone
    /// meanwhile.
    let private asked ask limits (query: ImageQuery) (image: SentImage) (seen: Picture -> unit) cancel =
        result {
            let target = targetOf (Option.orElse image.Name query.Name)
            do! wanted cancel
            let! picture, pictures = decode limits target image.Bytes
            do! wanted cancel
            let! answer = ask query.Mode query.Marking picture |> answered
            do! wanted cancel
            seen picture
            return target, picture, pictures, answer
        }

    /// Decodes, segments and draws what a query asks for. `seen` is told of the picture.
    let segment
        (engine: Engine)
        (limits: ImageLimits)
        (query: ImageQuery)
        (image: SentImage)
        (seen: Picture -> unit)
        (cancel: CancellationToken)
        : Result<Content, ProblemReport> =
        result {
            let! target, picture, pictures, segmentation =
                asked (Engine.segment engine) limits query image seen cancel

            let report () =
                { SegmentFiles.report target segmentation None with
                    Pictures = pictures
                }

            let file output =
                match output with
                | "mask" -> Ok(Masks.png segmentation.Mask)
                | "overlay" -> overlay picture segmentation
                | "probability" -> Ok(probabilityPng segmentation)
                | _ -> Ok(Images.png picture)

            return!
                together
                    query.Outputs
                    (fun output ->
                        match output with
                        | "json" -> Ok(Content.json (SegmentFiles.text (report ())))
                        | "coco" -> Ok(Content.json (coco target segmentation))
                        | output -> file output |> Result.map Content.png)
                    (fun output ->
                        match output with
                        | "json" -> Ok(RecordJson.toObject (report ()))
                        | "maps" -> Ok(maps segmentation)
                        | "coco" -> Ok(JsonNode.Parse(coco target segmentation))
                        | output -> file output |> Result.map base64)
        }

    /// Decodes, explains and draws what a query asks for.
    let explain
        (engine: Engine)
        (limits: ImageLimits)
        (query: ImageQuery)
        (image: SentImage)
        (seen: Picture -> unit)
        (cancel: CancellationToken)
        : Result<Content, ProblemReport> =
        result {
            let! target, picture, pictures, explanation =
                asked (Engine.explain engine) limits query image seen cancel

            let files = JsonObject()

            let keep name (write: Stream -> unit) =
                if List.contains "files" query.Outputs then
                    use memory = new MemoryStream()
                    write memory
                    files[$"{target.Maps}/{name}"] <- base64 (memory.ToArray())

                Ok()

            let report =
                lazy
                    (ExplanationFiles.report keep target.Maps target.Sheet picture explanation
                     |> answered
                     |> Result.map (fun found ->
                         { SegmentFiles.report target explanation.Segmentation (Some found) with
                             Pictures = pictures
                         }))

            let sheet () =
                Sheet.png target.Input picture explanation |> answered

            return!
                together
                    query.Outputs
                    (fun output ->
                        match output with
                        | "sheet" -> sheet () |> Result.map Content.png
                        | _ -> report.Value |> Result.map (SegmentFiles.text >> Content.json))
                    (fun output ->
                        match output with
                        | "sheet" -> sheet () |> Result.map base64
                        | "json" -> report.Value |> Result.map (fun report -> RecordJson.toObject report)
                        | _ -> report.Value |> Result.map (fun _ -> files))
        }
