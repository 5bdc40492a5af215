/// Every reader of a file that anyone may give, as a function of its bytes. What such a function throws is a fault of ours.
module Mcdrl.Tests.Fuzz.Targets

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Text
open Mcdrl

[<NoComparison; NoEquality>]
type Target =
    {
        Name: string
        Read: byte[] -> unit
        Seeds: (string * byte[]) list
    }

/// What was read is well, and what was refused is refused with something to say.
let private settle outcome =
    match outcome with
    | Ok _ -> ()
    | Error fault ->
        if McdrlError.describe fault = "" then
            failwith "refused without a word"

let private must holds what =
    if not holds then
        failwith what

let private text (content: byte[]) = Files.text "file" content

let private safetensors (content: byte[]) =
    use stream = new MemoryStream(content, false)

    match Safetensors.readHeader "file" stream with
    | Error _ as refused -> settle refused
    | Ok header ->
        let size = header.Entries |> List.sumBy _.Length
        must (stream.Position + size = stream.Length) "tensors don't cover the file"

        match SafetensorsHeader.parse "file" size (ReadOnlyMemory(SafetensorsHeader.render header)) with
        | Ok again -> must (again = header) "written again it is another"
        | Error fault -> failwith (McdrlError.describe fault)

let private limits =
    { ImageLimits.standard with
        MaxPixels = 1_000_000L
    }

let private decoded (content: byte[]) =
    match Masks.decode limits "mask.png" content with
    | Error _ as refused -> settle refused
    | Ok labels ->
        must (labels.Labels.Length = labels.Width * labels.Height) "labels for every pixel"
        use written = new MemoryStream()
        Png.write written labels.Width labels.Height None labels.Labels

        match Masks.decode limits "mask.png" (written.ToArray()) with
        | Ok again -> must (again = labels) "written again it is another"
        | Error fault -> failwith (McdrlError.describe fault)

/// The same chunks with their checksums made true, so that what is behind those is reached.
let private repaired (content: byte[]) =
    let fixed' = Array.copy content
    let mutable at = 8

    while at >= 0 && at + 12 <= fixed'.Length do
        let length = BinaryPrimitives.ReadInt32BigEndian(ReadOnlySpan(fixed', at, 4))

        if length < 0 || int64 at + 12L + int64 length > int64 fixed'.Length then
            at <- -1
        else
            let sum = Png.crc fixed' (at + 4) (length + 4)
            BinaryPrimitives.WriteInt32BigEndian(Span(fixed', at + 8 + length, 4), int sum)
            at <- at + 12 + length

    fixed'

let private mask (content: byte[]) =
    decoded content
    decoded (repaired content)

let private picture (content: byte[]) =
    match Images.decode limits "x.tif" content with
    | Error _ as refused -> settle refused
    | Ok picture -> must (picture.Rgb.Length = 3 * picture.Width * picture.Height) "not all of it"

    must (Images.pictures content >= 1) "no picture"

let private prompt = "A polyp, in an endoscopic image with mucus!"

let private tokenizer (content: byte[]) =
    let cut = Array.IndexOf(content, 0uy)

    let vocabulary, merges =
        if cut < 0 then
            content, [||]
        else
            content[.. cut - 1], content[cut + 1 ..]

    match text vocabulary, text merges with
    | Ok vocabulary, Ok merges ->
        match ClipTokenizer.parse "vocab.json" vocabulary "merges.txt" merges with
        | Error _ as refused -> settle refused
        | Ok tokenizer -> must (not (ClipTokenizer.encode tokenizer prompt).IsEmpty) "no token"
    | _ -> ()

let private vocabulary (content: byte[]) =
    match text content with
    | Error _ -> ()
    | Ok lines ->
        match BertTokenizer.ofTokens "vocab.txt" true (List.ofArray (lines.Split '\n')) with
        | Error _ as refused -> settle refused
        | Ok tokenizer -> must (not (BertTokenizer.encode tokenizer prompt).IsEmpty) "no token"

let private dataset (content: byte[]) =
    match text content with
    | Error _ -> ()
    | Ok text ->
        match DatasetDescription.parse "dataset.json" text with
        | Ok description -> must (not description.Sites.IsEmpty) "no site"
        | Error faults -> faults |> List.iter (Error >> settle)

let private record (content: byte[]) =
    match RecordJson.parseBytes<RunIdentity> 1_000_000L "run.json" content with
    | Error _ as refused -> settle refused
    | Ok identity -> Settings.validate identity.Settings |> settle

let private metadata (content: byte[]) =
    match text content with
    | Error _ -> ()
    | Ok text ->
        let stated = Dictionary()

        for line in text.Split '\n' do
            match line.IndexOf '=' with
            | -1 -> ()
            | cut -> stated[line[.. cut - 1]] <- line[cut + 1 ..]

        match OnnxEngine.factsOf "model.onnx" stated with
        | Error _ as refused -> settle refused
        | Ok facts ->
            must (facts.InputSize >= 32 && facts.InputSize <= 2048) "a side out of bounds"
            must (facts.Classes.Length >= 1 && facts.Classes.Length <= 255) "classes out of bounds"

let private imageList (content: byte[]) =
    match text content with
    | Error _ -> ()
    | Ok text ->
        for line in text.Split '\n' do
            match ImageList.image "list.txt" 1L line with
            | Error _ as refused -> settle refused
            | Ok image ->
                for path in [ image.Path; image.Place + ".mask.png" ] do
                    let full = Path.GetFullPath("/root/" + path)
                    must (full = "/root/" + path) "it is another path below the root, or none"

/// A request of KServe's protocol: JSON, and after a byte of 255, which no UTF-8 has, what is sent behind it.
let private inferRequest (content: byte[]) =
    let body, headerLength =
        match Array.IndexOf(content, 255uy) with
        | -1 -> content, None
        | cut -> Array.append content[.. cut - 1] content[cut + 1 ..], Some cut

    let limits = { limits with MaxBytes = 1_000_000L }

    match InferRequest.read Marginalisation.answering limits headerLength body with
    | Error _ as refused -> settle refused
    | Ok request ->
        let picture = request.Picture
        must (picture.Rgb.Length = 3 * picture.Width * picture.Height) "not all of the picture"
        must (picture.Width > 0 && picture.Height > 0) "a picture of nothing"
        must (not request.Outputs.IsEmpty) "nothing to answer with"

let all: Target list =
    let target name read seeds =
        {
            Name = name
            Read = read
            Seeds = seeds
        }

    [
        target "safetensors" safetensors Seeds.headers
        target "mask" mask Seeds.masks
        target "tiff" picture Seeds.tiffs
        target "tokenizer" tokenizer Seeds.tokenizers
        target "vocabulary" vocabulary Seeds.vocabularies
        target "dataset" dataset Seeds.datasets
        target "manifest" (Bundle.parseManifest "mcdrl.json" >> settle) Seeds.manifests
        target "record" record Seeds.records
        target "onnx" (OnnxGuard.check "model.onnx" >> settle) Seeds.exported
        target "metadata" metadata Seeds.metadata
        target "list" imageList Seeds.lists
        target "infer" inferRequest Seeds.inferRequests
    ]
