/// Rows 20 to 33 and 44 of the bad-input table: what the command, the core's `Result` and the C# exception say of each.
module Mcdrl.Cli.Tests.BadModelsTests

open System
open System.IO
open System.Text
open Expecto
open TorchSharp
open Mcdrl
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private weights, private texts = "weights.safetensors", "text.safetensors"

/// A file of the copy changed, and signed anew by whoever changed it, so that nothing but its content speaks against it.
let private content name (change: byte[] -> byte[]) folder =
    let path = Path.Combine(folder, name)
    let before = Outcome.ok (Files.sha256 path)
    File.WriteAllBytes(path, change (File.ReadAllBytes path))
    Forged.manifest (fun text -> text.Replace(before, Outcome.ok (Files.sha256 path))) folder

/// The header's text changed, its length made true.
let private header (change: string -> string) (bytes: byte[]) =
    let length = int (BitConverter.ToUInt64(bytes, 0))

    let text =
        Encoding.UTF8.GetBytes(change (Encoding.UTF8.GetString(bytes, 8, length)))

    Array.concat
        [
            BitConverter.GetBytes(uint64 text.Length)
            text
            Array.skip (8 + length) bytes
        ]

let private claiming (length: uint64) (bytes: byte[]) =
    Array.append (BitConverter.GetBytes length) (Array.skip 8 bytes)

let private replaced (old: string) (fresh: string) (text: string) =
    Expect.stringContains text old "is there to be replaced"
    let at = text.IndexOf(old, StringComparison.Ordinal)
    text.Substring(0, at) + fresh + text.Substring(at + old.Length)

/// The end of the first tensor moved by so many bytes.
let private firstEnd (by: int64) (text: string) =
    let start = text.IndexOf("\"data_offsets\":[0,", StringComparison.Ordinal)
    let first = start + "\"data_offsets\":[0,".Length
    let close = text.IndexOf(']', first)
    let last = Int64.Parse(text.Substring(first, close - first))
    text.Substring(0, first) + string (last + by) + text.Substring close

let private tensors name (change: Map<string, Tensor> -> Map<string, Tensor>) folder =
    use _scope = torch.NewDisposeScope()

    content
        name
        (fun _ ->
            let path = Path.Combine(folder, name)
            let read = Outcome.ok (Safetensors.read path)
            let fresh = path + ".fresh"
            Outcome.ok (Safetensors.write fresh read.Metadata (Map.toList (change read.Tensors)))
            let bytes = File.ReadAllBytes fresh
            File.Delete fresh
            bytes)
        folder

let private manifest old fresh folder =
    Forged.manifest (replaced old fresh) folder

/// Row of the table, what is done to a good model, and what every answer names.
let private rows: (int * string * (string -> unit) * string list) list =
    [
        20, "0 bytes", content weights (fun _ -> [||]), [ weights; "too few" ]
        20, "7 bytes", content weights (Array.truncate 7), [ weights; "too few" ]
        for length in [ 1UL <<< 63; UInt64.MaxValue; 100_000_001UL ] do
            21, $"a header of {length} bytes", content weights (claiming length), [ weights; "100000000" ]
        21,
        "a header longer than the file",
        content weights (claiming 99_999_999UL),
        [ weights; "the file has" ]
        22,
        "a header that is no UTF-8",
        content
            texts
            (header id
             >> (fun bytes ->
                 bytes[9] <- 0xFFuy
                 bytes)),
        [ texts; "UTF-8" ]
        for title, text in
            [
                "no JSON", "hello"
                "depth 100,000", String('[', 100_000)
                "a list", "[1]"
                "a trailing comma", "{\"__metadata__\":{},}"
                "a key twice", "{\"__metadata__\":{},\"__metadata__\":{}}"
                "half a surrogate pair", "{\"\\uD800\":{}}"
            ] do
            22, $"a header that is {title}", content texts (header (fun _ -> text)), [ texts; "header" ]
        23, "offsets that overlap", content texts (header (firstEnd -8L)), [ texts; "data_offsets" ]
        23, "offsets with a hole", content texts (header (firstEnd 8L)), [ texts; "data_offsets" ]
        23,
        "negative offsets",
        content texts (header (replaced "\"data_offsets\":[0," "\"data_offsets\":[-8,")),
        [ texts; "data_offsets" ]
        24, "a shape of too many bytes", content texts (header (replaced "[32]" "[33]")), [ texts; "needs" ]
        24,
        "a shape that overflows",
        content texts (header (replaced "[32]" "[2,9223372036854775807]")),
        [ texts; "more bytes than can be counted" ]
        for kind in [ "F8_E4M3"; "Q4"; "" ] do
            25,
            $"the element type `{kind}`",
            content texts (header (replaced "\"F32\"" $"\"{kind}\"")),
            [ texts; "element type" ]
        25,
        "BOOL for a float weight",
        tensors weights (fun all ->
            let name = "network.head.ln.weight"
            all.Add(name, all[name].``to`` torch.bool)),
        [ "head.ln.weight"; "Bool"; "Float32" ]
        25,
        "I64 for a float weight of the tower",
        tensors weights (fun all ->
            let name = "tower.ln_post.weight"
            all.Add(name, all[name].``to`` torch.int64)),
        [ "ln_post.weight"; "I64" ]
        26,
        "tensors missing, in excess and of another shape",
        tensors weights (fun all ->
            all
                .Remove("network.head.conv_2.bias")
                .Add("network.stray", torch.ones [| 1L |])
                .Add("network.head.ln.weight", torch.ones [| 3L |])),
        [ "head.conv_2.bias"; "stray"; "head.ln.weight is [3]" ]
        27,
        "trailing bytes",
        content weights (fun bytes -> Array.append bytes [| 0uy |]),
        [ weights; "the tensors end" ]
        27, "the last tensor cut", content weights (fun bytes -> bytes[.. bytes.Length - 2]), [ weights ]
        for name in [ weights; texts ] do
            for value in [ nanf; infinityf; -infinityf ] do
                28,
                $"{value} in {name}",
                tensors name (fun all ->
                    let leaf = if name = weights then "tower.proj" else "normal"
                    let spoilt = all[leaf].clone()
                    spoilt.view(-1L)[0L] <- torch.tensor value
                    all.Add(leaf, spoilt)),
                [ name; "NaN or an infinity" ]
        28,
        "a log prior that is NaN",
        tensors texts (Map.add "log_prior" (torch.full (3L, nan, dtype = torch.float64))),
        [ "log_prior"; "NaN" ]
        28,
        "a log prior that is −∞ for every condition",
        tensors texts (Map.add "log_prior" (torch.full (3L, -infinity, dtype = torch.float64))),
        [ "log_prior"; "not to 1" ]
        28,
        "a prior that doesn't sum to 1",
        tensors texts (Map.add "log_prior" (torch.zeros (3L, dtype = torch.float64))),
        [ "log_prior"; "sum to 3" ]
        for name in [ weights; texts ] do
            29,
            $"a bit of {name} flipped",
            (fun folder ->
                let path = Path.Combine(folder, name)
                let bytes = File.ReadAllBytes path
                File.WriteAllBytes(path, Crafted.flip (bytes.Length - 3) bytes)),
            [ name; "sha256 mismatch" ]
        29,
        "a bit of mcdrl.json flipped",
        (fun folder ->
            let path = Path.Combine(folder, "mcdrl.json")
            let text = File.ReadAllText path
            File.WriteAllText(path, replaced "\"epoch\": 1" "\"epoch\": 2" text)),
        [ "mcdrl.json"; "sha256 mismatch" ]
        31, "a mean of null", manifest "0.48145466" "null", [ "mcdrl.json"; "mean" ]
        31, "a mean of 1e300", manifest "0.48145466" "1e300", [ "mcdrl.json"; "mean" ]
        31, "a std of 0", manifest "0.26862954" "0", [ "mcdrl.json"; "std" ]
        31, "a std of 1e-300", manifest "0.26862954" "1e-300", [ "mcdrl.json"; "std" ]
        31,
        "another input size",
        manifest "\"squash-bicubic\",\n    \"input_size\": 32" "\"squash-bicubic\",\n    \"input_size\": 64",
        [ "mcdrl.json"; "input size" ]
        31,
        "an input size of 65536",
        manifest "\"input_size\": 32" "\"input_size\": 65536",
        [ "mcdrl.json"; "65536" ]
        31, "another tower", manifest "\"ViT-2x64-8-32\"" "\"RN50\"", [ "mcdrl.json"; "RN50" ]
        31, "a later layout", manifest "\"format\": 3" "\"format\": 4", [ "mcdrl.json"; "version 4" ]
        31, "no class", manifest "\"polyp\"\n" "\"\"\n", [ "mcdrl.json"; "classes" ]
    ]

let private image () =
    Path.Combine(World.data (), "c", "images", "frame1.png")

let private named parts (text: string) =
    for part: string in parts do
        Expect.stringContains text part "names it"

let private refused (row, title, change: string -> unit, parts) =
    test $"{row}: {title}" {
        Folder.temporary (fun folder ->
            let copy, out = Path.Combine(folder, "model"), Path.Combine(folder, "out")
            World.copyTree (World.bundle ()) copy
            change copy
            let before = LiveTensors.count ()

            using (torch.NewDisposeScope()) (fun _ ->
                Bundle.load copy |> Result.map ignore |> Outcome.refusedWith 3 parts)

            Expect.equal torch.Tensor.TotalCount before "nothing is half loaded"

            let thrown =
                try
                    McdrlApi.Load(copy).Dispose()
                    failtest "the C# API loads it"
                with :? McdrlModelException as problem ->
                    problem.Message

            named parts thrown
            let outcome = mcdrl [ "segment"; image (); "--model"; copy; "--out"; out ]
            Expect.equal outcome.Code 3 outcome.Err
            named parts outcome.Err
            Expect.isFalse (Directory.Exists out) "nothing was written")
    }

/// A configuration with one part spoilt, and what the error names.
let private configurations =
    [
        "an unknown key", "\"alpha\"", "\"alhpa\"", "method.alhpa"
        "a key of another language", "\"alpha\"", "\"__proto__\"", "method.__proto__"
        "a wrong type", "\"layers\": ", "\"layers\": \"many\", \"was\": ", "method.layers"
        "a learning rate of NaN", "\"learning_rate\": ", "\"learning_rate\": NaN, \"was\": ", "JSON"
        "a learning rate of 1e999",
        "\"learning_rate\": ",
        "\"learning_rate\": 1e999, \"was\": ",
        "optimiser.learning_rate"
        "epochs of −1", "\"epochs\": ", "\"epochs\": -1, \"was\": ", "optimiser"
        "half a surrogate pair", "\"blur\"", "\"\\uD800\"", "surrogate"
        "a key twice", "\"alpha\"", "\"alpha\": 0.5, \"alpha\"", "method.alpha"
    ]

let private configured =
    [
        for title, old, fresh, part in configurations do
            test $"33: a configuration with {title}" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "config.json")
                    let text = RecordJson.render (Outcome.ok (Config.ofPreset "paper" []))
                    File.WriteAllText(path, replaced old fresh text)

                    Config.ofFile path []
                    |> Result.map ignore
                    |> Outcome.refusedWith 2 [ path; part ]

                    let run = Path.Combine(folder, "run")

                    let outcome =
                        mcdrl
                            [
                                "train"
                                "--data"
                                World.data ()
                                "--weights"
                                Path.Combine(World.trained (), "tower.safetensors")
                                "--config"
                                path
                                "--out"
                                run
                            ]

                    Expect.equal outcome.Code 2 outcome.Err
                    named [ part ] outcome.Err
                    Expect.isFalse (Directory.Exists run) "nothing was begun")
            }

        test "33: a configuration of 100 MB" {
            Folder.temporary (fun folder ->
                let path = Path.Combine(folder, "config.json")
                use file = File.Create path
                file.SetLength 100_000_000L
                Config.ofFile path [] |> Result.map ignore |> Outcome.refusedWith 2 [ path ])
        }
    ]

let private prompts =
    test
        "32: prompts of every kind: as many tokens as fit, one more, none, NUL, half a pair, from right to left" {
        let vocabulary = Vocabulary.ofSentences [ "a polyp" ]
        let tokenizer = Outcome.ok (ClipTokenizer.ofTokens vocabulary)
        let words count = String.replicate count "polyp "
        use _scope = torch.NewDisposeScope()
        Expect.isOk (ClipTokenizer.batch 77 tokenizer [ words 75 ]) "77 tokens"

        ClipTokenizer.batch 77 tokenizer [ words 76 ]
        |> Result.map ignore
        |> Outcome.refusedWith 2 [ "78" ]

        for text in
            [
                ""
                "a\000polyp"
                $"a {char 0xD800} polyp"
                "\u202Epolyp\u202C"
                "\U0001F600"
            ] do
            let ids = ClipTokenizer.encode tokenizer text
            Expect.isGreaterThanOrEqual ids.Length 2 "start and end"
    }

let private answers =
    test
        "28: weights that are numbers, and an answer that isn't: an error of that image, never `nothing marked`" {
        Folder.temporary (fun folder ->
            let copy, out = Path.Combine(folder, "model"), Path.Combine(folder, "out")
            World.copyTree (World.bundle ()) copy

            tensors
                weights
                (fun all ->
                    let leaf = "tower.ln_post.weight"
                    all.Add(leaf, torch.full_like (all[leaf], 3e38)))
                copy

            let thrown =
                try
                    McdrlApi.Load(copy).Dispose()
                    failtest "the C# API loads it"
                with :? McdrlModelException as problem ->
                    problem.Message

            named [ "NaN" ] thrown

            for extra in [ []; [ "--explain" ] ] do
                let outcome =
                    mcdrl ([ "segment"; image (); "--model"; copy; "--out"; out; "--json" ] @ extra)

                Expect.equal outcome.Code 1 "an image of them failed"
                named [ "NaN"; image () ] outcome.Err
                Expect.isEmpty (Directory.GetFiles(out, "*.png")) "no mask"

            let judged =
                mcdrl [ "evaluate"; "--model"; copy; "--data"; World.data (); "--site"; "c" ]

            Expect.equal judged.Code 3 judged.Err
            named [ "NaN" ] judged.Err)
    }

let private exported =
    test "31: a byte of an exported file changed, its input's size forged: the command and the C# exception" {
        Folder.temporary (fun folder ->
            let file, out = Path.Combine(folder, "model.onnx"), Path.Combine(folder, "out")
            let made = mcdrl [ "export"; "onnx"; "--model"; World.bundle (); "--out"; file ]
            Expect.equal made.Code 0 made.Err
            let whole = File.ReadAllBytes file

            let refused parts =
                OnnxEngine.load file 1 |> Result.map ignore |> Outcome.refusedWith 3 parts

                let thrown =
                    try
                        McdrlApi.LoadOnnx(file).Dispose()
                        failtest "the C# API loads it"
                    with :? McdrlModelException as problem ->
                        problem.Message

                named parts thrown
                let outcome = mcdrl [ "segment"; image (); "--onnx"; file; "--out"; out ]
                Expect.equal outcome.Code 3 outcome.Err
                named parts outcome.Err

            File.WriteAllBytes(file, Crafted.flip (whole.Length / 2) whole)
            refused [ file; "sha256 mismatch" ]

            let size = Array.concat [ "input_size"B; [| 0x12uy; 2uy |] ]
            let at = whole.AsSpan().LastIndexOf(ReadOnlySpan size) + size.Length
            File.WriteAllBytes(file, whole)

            Forged.onnx
                (fun bytes ->
                    bytes[at] <- byte '9'
                    bytes[at + 1] <- byte '6'
                    bytes)
                file

            refused [ file; "port `image`"; "[-1, 3, 96, 96]" ]

            Forged.onnx
                (fun bytes ->
                    bytes[at] <- byte '0'
                    bytes[at + 1] <- byte '0'
                    bytes)
                file

            refused [ file; "input_size"; "between 32 and 2048" ])
    }

let tests =
    testSequenced (
        testList "bad models" (List.map refused rows @ configured @ [ prompts; answers; exported ])
    )
