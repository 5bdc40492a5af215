/// Small good inputs of every kind, from which the fuzzer starts.
module Mcdrl.Tests.Fuzz.Seeds

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression
open System.Text
open Mcdrl

let private utf8 (text: string) = Encoding.UTF8.GetBytes text

let private outcome result =
    match result with
    | Ok value -> value
    | Error fault -> failwith (McdrlError.describe fault)

let private safetensors (header: string) dataLength =
    Array.concat
        [
            BitConverter.GetBytes(uint64 (utf8 header).Length)
            utf8 header
            Array.zeroCreate<byte> dataLength
        ]

let headers =
    [
        "empty", safetensors "{}" 0
        "one", safetensors """{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""" 24
        "facts",
        safetensors
            """{"__metadata__":{"sha256":"x","step":"7"},"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"BF16","shape":[0],"data_offsets":[8,8]}}"""
            8
    ]

let private big (value: int) =
    let bytes = Array.zeroCreate<byte> 4
    BinaryPrimitives.WriteInt32BigEndian(Span bytes, value)
    bytes

let private chunk (name: string) (content: byte[]) =
    let body = Array.append (Encoding.ASCII.GetBytes name) content
    Array.concat [ big content.Length; body; big (int (Png.crc body 0 body.Length)) ]

let private deflate (bytes: byte[]) =
    use packed = new MemoryStream()

    using (new ZLibStream(packed, CompressionLevel.Fastest, true)) (fun data ->
        data.Write(bytes, 0, bytes.Length))

    packed.ToArray()

/// TIFF files of 4 x 2 pixels, of one strip or one tile.
let tiffs =
    let file samples (places: (int * int) list) (pixels: byte[]) =
        use memory = new MemoryStream()
        use out = new BinaryWriter(memory)

        let entries =
            [
                256, 4
                257, 2
                258, 8
                259, 1
                262, (if samples = 1 then 1 else 2)
                277, samples
                yield! places
            ]
            |> List.sortBy fst

        out.Write("II*\000"B)
        out.Write 8
        out.Write(uint16 entries.Length)

        for tag, value in entries do
            out.Write(uint16 tag)
            out.Write 4us
            out.Write 1
            out.Write(if value < 0 then 8 + 2 + 12 * entries.Length + 4 else value)

        out.Write 0
        out.Write pixels
        out.Flush()
        memory.ToArray()

    [
        "strip", file 3 [ 273, -1; 278, 2; 279, 24 ] (Array.init 24 (fun i -> byte (i * 9)))
        "tile", file 1 [ 322, 16; 323, 16; 324, -1; 325, 256 ] (Array.init 256 byte)
    ]

/// A mask of 8 x 4 pixels, of rows that begin with their filter.
let private png depth colour interlace (extra: byte[]) (rows: byte[]) =
    Array.concat
        [
            [| 137uy; 80uy; 78uy; 71uy; 13uy; 10uy; 26uy; 10uy |]
            chunk
                "IHDR"
                (Array.concat [ big 8; big 4; [| byte depth; byte colour; 0uy; 0uy; byte interlace |] ])
            extra
            chunk "IDAT" (deflate rows)
            chunk "IEND" [||]
        ]

let masks =
    let rows width filter =
        [|
            for y in 0..3 do
                yield filter

                for x in 1..width do
                    yield byte ((x * y) % 3)
        |]

    [
        "grey", png 8 0 0 [||] (rows 8 0uy)
        "filtered", png 8 0 0 [||] (rows 8 4uy)
        "bits", png 1 0 0 [||] (rows 1 2uy)
        "palette", png 2 3 0 (chunk "PLTE" (Array.init 12 byte)) (rows 2 1uy)
        "interlaced",
        png
            8
            0
            1
            [||]
            [|
                for width, height in [ 1, 1; 1, 1; 2, 1; 2, 1; 4, 1; 4, 2; 8, 2 ] do
                    for _ in 1..height do
                        yield 0uy
                        yield! Array.create width 1uy
            |]
    ]

/// `vocab.json` and `merges.txt`, with a NUL between them.
let tokenizers =
    let vocabulary = Vocabulary.ofSentences [ "a polyp with blood" ]

    let json =
        vocabulary.Tokens
        |> List.mapi (fun id token -> $"{Text.Json.JsonSerializer.Serialize token}: {id}")
        |> String.concat ","

    [
        "polyp", utf8 ("{" + json + "}\000" + Vocabulary.mergesText vocabulary)
        "small", utf8 "{\"a\": 0, \"<|startoftext|>\": 1, \"<|endoftext|>\": 2}\000#version: 0.2\n"
    ]

let vocabularies = [ "bert", utf8 "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\npolyp\n##s\n,\n" ]

let datasets =
    [
        "discs",
        utf8
            """{ "name": "Discs", "classes": ["polyp"], "masks": { "0": "background", "255": "polyp" }, "threshold": 128,
  "sites": { "a": { "images": "a/images", "masks": "a/masks", "class": "polyp", "prefix": "x", "patients": { "p1": ["f1", "f2*"] } },
             "b": { "images": "b/images", "masks": "b/masks" } } }"""
        "small",
        utf8
            """{"name":"n","classes":["a","b"],"masks":{"0":"background","1":"a"},"sites":{"s":{"images":"i","masks":"m"}}}"""
    ]

let private settings = outcome (Config.ofPreset "paper" [])

/// Without a digest, so that what is read after it is reached.
let manifests =
    let digest = String('0', SelfDigest.length)

    let manifest: Manifest =
        {
            Format = 2
            Classes = [ "polyp" ]
            Tower = "ViT-B-16"
            TowerFacts = Map.empty
            Active = true
            Precision = Precision.Fp32
            Preprocessing =
                {
                    Resize = ResizeMethod.SquashBicubic
                    InputSize = settings.Method.InputSize
                    Mean = [ 0.5; 0.5; 0.5 ]
                    Std = [ 0.25; 0.25; 0.25 ]
                }
            Settings = settings
            Provenance =
                {
                    Product = "mcdrl"
                    Created = "2026-01-31"
                    Data = "Discs"
                    DataSha256 = ""
                    TrainedOn = [ "a" ]
                    LeftOut = None
                    WeightsSha256 = ""
                    Seed = 1UL
                    Epoch = 1
                    TrainingFrames = 10
                    HeldBack = Some 2
                    FineTunedFrom = None
                }
            Metrics = []
            Files =
                Map
                    [
                        for name in [ "weights.safetensors"; "text.safetensors"; "README.md" ] -> name, digest
                    ]
            Sha256 = None
        }

    [ "layout2", utf8 (RecordJson.render manifest) ]

let identity: RunIdentity =
    {
        Version = "1"
        Data = "Discs"
        DataSha256 = ""
        LeaveOut = Some "c"
        WeightsSha256 = ""
        TextSha256 = None
        Seed = 1UL
        Settings = settings
        Threads = Some 1
    }

let records = [ "run", utf8 (RecordJson.render identity) ]

/// `key=value` lines.
let metadata =
    [
        "polyp",
        utf8
            "classes=[\"polyp\"]\nconditions=[\"blur\",\"blood\"]\nmode=exact\nmin_area=0.002\ninput_size=288\n"
    ]

let lists =
    [
        "paths", utf8 "./c1/a.png\nc1//b.x.jpg\n../c.png\n/d.png\n\ne/../f.png\n.png\n"
    ]

/// Requests of KServe's protocol; what is sent behind the JSON follows a byte of 255.
let inferRequests =
    [
        "numbers",
        utf8
            """{"id":"1","parameters":{"mode":"exact","threshold":0.5,"min_area":3},"inputs":[{"name":"image","datatype":"UINT8","shape":[1,1,2,3],"data":[[[[1,2,3],[4,5,6]]]]}],"outputs":[{"name":"labels"}]}"""
        "bytes",
        Array.concat
            [
                utf8
                    """{"parameters":{"binary_data_output":true},"inputs":[{"name":"image","datatype":"UINT8","shape":[1,2,1,3],"parameters":{"binary_data_size":6}}],"outputs":[{"name":"probabilities","parameters":{"binary_data":false}}]}"""
                [| 255uy; 1uy; 2uy; 3uy; 4uy; 5uy; 6uy |]
            ]
    ]

/// ModelProto of one graph with a node and a tensor, as far as the guard looks; the second ends in a digest.
let exported =
    let graph = [| 0x0Auy; 2uy; 0x22uy; 0uy; 0x2Auy; 2uy; 0x4Auy; 0uy |]

    let model =
        Array.concat
            [
                [| 8uy; 8uy; 0x3Auy; byte graph.Length |]
                graph
                [| 0x42uy; 2uy; 0x10uy; 17uy |]
            ]

    let place = Array.append model OnnxContract.digestEntry

    let digits =
        SelfDigest.ofWritten (fun stream ->
            stream.Write(ReadOnlySpan place)
            stream.Write(ReadOnlySpan(utf8 SelfDigest.blank)))

    [ "graph", model; "signed", Array.append place (utf8 digits) ]
