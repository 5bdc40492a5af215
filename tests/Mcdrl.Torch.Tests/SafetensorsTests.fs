module Mcdrl.Tests.SafetensorsTests

open System
open System.IO
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private inFile (content: byte array) (work: string -> 'a) =
    let path = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}.safetensors")

    try
        File.WriteAllBytes(path, content)
        work path
    finally
        File.Delete path

let private fileOf (headerLength: uint64) (header: byte array) (data: byte array) =
    Array.concat [ BitConverter.GetBytes headerLength; header; data ]

let private withHeader (header: string) (dataLength: int) =
    let text = Encoding.UTF8.GetBytes header
    fileOf (uint64 text.Length) text (Array.zeroCreate dataLength)

/// The description of the `Model` fault that reading must end in.
let private refusal (content: byte array) =
    inFile content (fun path ->
        use _scope = torch.NewDisposeScope()

        match Safetensors.read path with
        | Ok _ -> failtest "the file was accepted"
        | Error error ->
            Expect.equal (McdrlError.exitCode error) 3 "a model fault"
            McdrlError.describe error)

let private refused name content (parts: string list) =
    testCase name
    <| fun () ->
        let text = refusal content

        for part in parts do
            Expect.stringContains text part "names the cause"

let private one name dtype shape first last =
    $"\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{first},{last}]}}"

let private headers =
    testList
        "refused headers"
        [
            testCase "shapes are those of the header, which is checked as for reading"
            <| fun () ->
                let b, a = one "b" "F32" "[2,3]" 0 24, one "a" "I64" "[]" 24 32
                let header = "{" + b + "," + a + "}"

                inFile (withHeader header 32) (fun path ->
                    let found = Expect.wantOk (Safetensors.shapes path) "read"
                    Expect.equal found (Map [ "a", []; "b", [ 2L; 3L ] ]) "shapes")

                inFile (withHeader header 31) (fun path ->
                    Expect.isError (Safetensors.shapes path) "too short")

            refused "0 bytes" [||] [ "0 bytes are too few" ]
            refused "7 bytes" (Array.zeroCreate 7) [ "7 bytes are too few" ]
            for length in [ 1UL <<< 63; UInt64.MaxValue; 100_000_001UL ] do
                refused $"header length {length}" (fileOf length "{}"B [||]) [ "more than 100000000" ]
            refused
                "header longer than the file"
                (fileOf 3UL "{}"B [||])
                [ "claims 3 bytes, the file has 10" ]
            refused "not UTF-8" (fileOf 4UL [| 0x7Buy; 0xFFuy; 0xFEuy; 0x7Duy |] [||]) [ "not UTF-8" ]
            refused "a lone surrogate" (withHeader "{\"__metadata__\":{\"a\":\"\\uD800\"}}" 0) [ "surrogate" ]
            refused "a byte order mark" (withHeader "\uFEFF{}" 0) [ "not valid JSON" ]
            refused "not JSON" (withHeader "hello" 0) [ "not valid JSON" ]
            refused "an array" (withHeader "[1]" 0) [ "not a JSON object" ]
            refused "a trailing comma" (withHeader "{\"__metadata__\":{},}" 0) [ "not valid JSON" ]
            refused "two values" (withHeader "{} {}" 0) [ "not valid JSON" ]
            refused "depth 100,000" (withHeader (String('[', 100_000)) 0) [ "not valid JSON" ]
            refused
                "a duplicate tensor"
                (let tensor = one "a" "U8" "[1]" 0 1 in withHeader $"{{{tensor},{tensor}}}" 1)
                [ "not valid JSON" ]
            refused
                "a duplicate tensor, one name escaped"
                (withHeader $"""{{{one "a" "U8" "[1]" 0 1},{one "\\u0061" "U8" "[1]" 0 1}}}""" 1)
                [ "not valid JSON" ]
            refused
                "a duplicate field"
                (withHeader
                    "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}"
                    1)
                [ "not valid JSON" ]
            refused
                "metadata that is not text"
                (withHeader "{\"__metadata__\":{\"a\":1}}" 0)
                [ "\"a\" is not text" ]
            refused "metadata that is not an object" (withHeader "{\"__metadata__\":[]}" 0) [ "__metadata__" ]
            refused "a tensor that is not an object" (withHeader "{\"a\":3}" 0) [ "tensor \"a\"" ]
            refused
                "an unknown field"
                (withHeader "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"code\":\"x\"}}" 1)
                [ "unknown fields: code" ]
            refused
                "half a surrogate pair in a tensor's name"
                (withHeader $"""{{{one "\\uD800" "U8" "[1]" 0 1}}}""" 1)
                [ "surrogate" ]
            refused
                "a name beyond all measure, which is not shown whole"
                (withHeader $"""{{{one (String('n', 1001)) "U8" "[1]" 0 1}}}""" 1)
                [ "more than 1000 characters"; "n…" ]
            refused
                "more facts than anyone states"
                (withHeader
                    $"""{{"__metadata__":{{{String.Join(",", Seq.init 10_001 (sprintf "\"%d\":\"\""))}}}}}"""
                    0)
                [ "10001 entries" ]
            testCase "as many tensors as a file may have, and one more"
            <| fun () ->
                let header count =
                    "{"
                    + String.Join(",", Seq.init count (fun i -> one $"t{i}" "U8" "[0]" 0 0))
                    + "}"

                inFile (withHeader (header SafetensorsHeader.mostTensors) 0) (fun path ->
                    Expect.equal
                        (Outcome.ok (Safetensors.shapes path)).Count
                        SafetensorsHeader.mostTensors
                        "read")

                let text = refusal (withHeader (header (SafetensorsHeader.mostTensors + 1)) 0)
                Expect.stringContains text "100001 tensors" "named"
            testCase "a million and a half tensors, in 89 MB of header: refused before they are described"
            <| fun () ->
                let header =
                    String.Join(",", Seq.init 1_500_000 (fun i -> one $"t{i}" "U8" "[0]" 0 0))

                let text = refusal (withHeader ("{" + header + "}") 0)
                Expect.stringContains text "more than 4000000 values" "named"
            refused
                "two faults are both named"
                (withHeader $"""{{{one "a" "F8_E4M3" "[1]" 0 1},{one "b" "F32" "[-1]" 0 1}}}""" 1)
                [ "tensor \"a\""; "F8_E4M3"; "tensor \"b\"" ]
        ]

let private offsets =
    testList
        "refused offsets"
        [
            let tensors (items: string list) length =
                withHeader (items |> String.concat "," |> sprintf "{%s}") length

            refused
                "overlap"
                (tensors [ one "a" "U8" "[4]" 0 4; one "b" "U8" "[4]" 2 6 ] 6)
                [ "\"b\""; "overlap" ]

            refused "hole" (tensors [ one "a" "U8" "[4]" 0 4; one "b" "U8" "[4]" 5 9 ] 9) [ "\"b\""; "hole" ]
            refused "hole at the front" (tensors [ one "a" "U8" "[4]" 1 5 ] 5) [ "\"a\""; "hole" ]
            refused "begin after end" (tensors [ one "a" "U8" "[1]" 1 0 ] 1) [ "\"a\""; "begin ≤ end" ]
            refused "negative" (tensors [ one "a" "U8" "[1]" -1 0 ] 1) [ "\"a\""; "begin ≤ end" ]
            refused "past the end" (tensors [ one "a" "U8" "[9]" 0 9 ] 8) [ "\"a\""; "within the 8 bytes" ]

            refused
                "fractional"
                (withHeader "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}" 1)
                [ "shape" ]

            refused
                "ten tensors on the same bytes"
                (tensors [ for i in 0..9 -> one $"t{i}" "U8" "[8]" 0 8 ] 8)
                [ "overlap" ]

            refused
                "trailing bytes"
                (tensors [ one "a" "U8" "[4]" 0 4 ] 5)
                [ "byte 4 of the data"; "5 bytes" ]

            refused "trailing bytes without tensors" (withHeader "{}" 1) [ "byte 0 of the data" ]

            refused
                "shape and bytes differ"
                (tensors [ one "a" "F32" "[2, 2]" 0 15 ] 15)
                [ "needs 16 bytes"; "gives 15" ]

            refused
                "shape overflows"
                (tensors [ one "a" "F32" "[2, 4611686018427387904]" 0 4 ] 4)
                [ "\"a\""; "counted" ]

            refused
                "shape beyond int64"
                (tensors [ one "a" "F32" "[2, 9223372036854775808]" 0 4 ] 4)
                [ "\"a\""; "2^63" ]

            refused
                "too many axes"
                (tensors [ one "a" "U8" $"""[{String.Join(",", Array.create 17 "1")}]""" 0 1 ] 1)
                [ "17 axes" ]
        ]

let private accepted =
    testList
        "accepted"
        [
            testCase "leading and trailing white space, an empty tensor, a scalar, names out of byte order"
            <| fun () ->
                let header =
                    $"""  {{{one "z" "F32" "[0, 3]" 0 0},{one "b" "F32" "[]" 4 8},{one "a" "F32" "[1]" 0 4}}}  """

                inFile (withHeader header 8) (fun path ->
                    use _scope = torch.NewDisposeScope()
                    let content = Expect.wantOk (Safetensors.read path) "readable"
                    Expect.equal content.Tensors["z"].shape [| 0L; 3L |] "empty"
                    Expect.equal content.Tensors["b"].shape [||] "scalar"
                    Expect.equal content.Tensors.Count 3 "all")

            testCase "a missing file and a folder are model faults"
            <| fun () ->
                for path in [ "/nonexistent/x.safetensors"; Path.GetTempPath() ] do
                    let error = Expect.wantError (Safetensors.read path) "refused"
                    Expect.equal (McdrlError.exitCode error) 3 "model"
                    Expect.stringContains (McdrlError.describe error) path "names the path"

            testCase "F16 widens exactly, also the special values"
            <| fun () ->
                let halves =
                    Array.init 65536 (fun bits -> BitConverter.UInt16BitsToHalf(uint16 bits))

                let data = halves |> Array.collect BitConverter.GetBytes
                let text = Encoding.UTF8.GetBytes $"""{{{one "h" "F16" "[65536]" 0 131072}}}"""

                inFile (fileOf (uint64 text.Length) text data) (fun path ->
                    use _scope = torch.NewDisposeScope()
                    let options = { Widen = true; RequireFinite = false }
                    let content = Expect.wantOk (Safetensors.readWith options path) "readable"
                    let widened = content.Tensors["h"].data<float32>().ToArray()

                    for half, wide in Array.zip halves widened do
                        if not (Half.IsNaN half && Single.IsNaN wide) then
                            Expect.equal wide (float32 half) "equal")

            testCase "NaN and infinities are refused on request, and the tensor named"
            <| fun () ->
                for value in [ nanf; infinityf; -infinityf ] do
                    inFile [||] (fun path ->
                        use _scope = torch.NewDisposeScope()
                        let fine = torch.ones [| 3L |]
                        let sick = torch.full ([| 3L |], value.ToScalar(), dtype = torch.float32)

                        Expect.wantOk
                            (Safetensors.write path Map.empty [ "fine", fine; "sick", sick ])
                            "written"

                        Expect.isOk (Safetensors.read path) "accepted without the request"
                        let options = { Widen = false; RequireFinite = true }
                        let error = Expect.wantError (Safetensors.readWith options path) "refused"
                        Expect.stringContains (McdrlError.describe error) "\"sick\"" "named")

            testCase "finite values whose sum is not are accepted"
            <| fun () ->
                inFile [||] (fun path ->
                    use _scope = torch.NewDisposeScope()
                    let large = torch.full ([| 8L |], (3e38).ToScalar(), dtype = torch.float32)
                    Expect.wantOk (Safetensors.write path Map.empty [ "large", large ]) "written"

                    Expect.isOk
                        (Safetensors.readWith { Widen = false; RequireFinite = true } path)
                        "accepted")

            testCase "one name for two tensors, a reserved name and a complex tensor can't be written"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let one = torch.ones [| 1L |]
                let complex = torch.ones ([| 1L |], dtype = torch.complex64)

                for tensors in
                    [
                        [ "a", one; "a", one ]
                        [ "__metadata__", one ]
                        [ "c", complex ]
                        [ String(char 0xD800, 1), one ]
                    ] do
                    let path = Path.Combine(Path.GetTempPath(), $"mcdrl-{Guid.NewGuid():N}.safetensors")
                    let error = Expect.wantError (Safetensors.write path Map.empty tensors) "refused"
                    Expect.equal (McdrlError.exitCode error) 2 "usage"
                    Expect.isFalse (File.Exists path) "nothing written"

            testCase "a failed read leaves no tensor behind"
            <| fun () ->
                inFile [||] (fun path ->
                    let sick = torch.tensor [| 1f; nanf |]

                    Expect.wantOk
                        (Safetensors.write path Map.empty [ "a", torch.ones [| 8L |]; "b", sick ])
                        "written"

                    let before = LiveTensors.count ()

                    Expect.isError
                        (Safetensors.readWith { Widen = true; RequireFinite = true } path)
                        "refused"

                    Expect.equal torch.Tensor.TotalCount before "no tensor more")

            testCase "the shared fixture has its 95 tensors"
            <| fun () ->
                use _scope = TorchSharp.torch.NewDisposeScope()

                let content =
                    Expect.wantOk
                        (Safetensors.read (Shared.path "fixtures/clip/vit-tiny.hf.safetensors"))
                        "readable"

                Expect.equal content.Tensors.Count 95 "tensors"
        ]

let private dtypes =
    [
        torch.float64
        torch.float32
        torch.float16
        torch.bfloat16
        torch.int64
        torch.int32
        torch.int16
        torch.int8
        torch.uint8
        torch.bool
    ]

let private content =
    gen {
        let letter =
            Gen.elements [ 'a'; 'B'; '.'; '0'; '"'; '\\'; '\n'; '\000'; 'é'; '語'; '_' ]

        let name =
            Gen.choose (0, 8)
            |> Gen.bind (fun length -> Gen.arrayOfLength length letter)
            |> Gen.map String

        let! names = Gen.choose (0, 6) |> Gen.bind (fun count -> Gen.listOfLength count name)

        return!
            names
            |> List.distinct
            |> List.map (fun name ->
                gen {
                    let! dtype = Gen.elements dtypes

                    let! shape =
                        Gen.choose (0, 3)
                        |> Gen.bind (fun rank -> Gen.listOfLength rank (Gen.choose (0, 4)))

                    let! seed = Gen.choose (0, 10000)
                    return name, dtype, List.map int64 shape, seed
                })
            |> Gen.sequenceToList
    }

let private bytesOf (tensor: Tensor) =
    use stream = new MemoryStream()

    if tensor.numel () > 0L then
        tensor.contiguous().WriteBytesToStream(stream, 1 <<< 16)

    stream.ToArray()

let private make (_, dtype: torch.ScalarType, shape: int64 list, seed) =
    use generator = new torch.Generator(uint64 seed, torch.CPU)

    torch.rand(List.toArray shape, generator = generator).mul((100.0).ToScalar()).``to``(dtype)

let private written tensors work =
    inFile [||] (fun path ->
        use _scope = torch.NewDisposeScope()
        let made = tensors |> List.map (fun ((name, _, _, _) as item) -> name, make item)
        Expect.wantOk (Safetensors.write path (Map [ "k", "v ü" ]) made) "written"
        work path made)

let private properties =
    testList
        "properties"
        [
            testPropertyWithConfig
                { Property.config
                      "write, then read: same names, types, shapes, bytes; same content: same file" with
                    maxTest = 60
                }
                "write, then read: same names, types, shapes, bytes; same content: same file"
            <| Prop.forAll (Arb.fromGen content) (fun tensors ->
                written tensors (fun path made ->
                    let back = Expect.wantOk (Safetensors.read path) "readable"
                    Expect.equal back.Metadata (Map [ "k", "v ü" ]) "metadata"
                    Expect.equal back.Tensors.Count made.Length "count"

                    for name, tensor in made do
                        let found = back.Tensors[name]

                        Expect.equal
                            (found.dtype, List.ofArray found.shape)
                            (tensor.dtype, List.ofArray tensor.shape)
                            name

                        Expect.equal (bytesOf found) (bytesOf tensor) name

                    let first = File.ReadAllBytes path
                    Expect.wantOk (Safetensors.write path back.Metadata (List.rev made)) "written again"
                    Expect.equal (File.ReadAllBytes path) first "deterministic"))

            testPropertyWithConfig
                { Property.config
                      "what is read with its digest is what is read without, and the digest is the file's" with
                    maxTest = 60
                }
                "what is read with its digest is what is read without, and the digest is the file's"
            <| Prop.forAll (Arb.fromGen content) (fun tensors ->
                written tensors (fun path made ->
                    let options = { Widen = false; RequireFinite = false }
                    let back, digest = Expect.wantOk (Safetensors.readDigested options path) "readable"
                    Expect.equal digest (Expect.wantOk (Files.sha256 path) "digest") "of the whole file"
                    Expect.equal back.Tensors.Count made.Length "count"

                    for name, tensor in made do
                        Expect.equal (bytesOf back.Tensors[name]) (bytesOf tensor) name))

            testPropertyWithConfig
                { Property.config
                      "one header byte changed: a value or an error, never an exception or a tensor left behind" with
                    maxTest = 300
                }
                "one header byte changed: a value or an error, never an exception or a tensor left behind"
            <| Prop.forAll
                (Arb.fromGen (Gen.zip content (Gen.zip (Gen.choose (0, 9999)) (Gen.choose (0, 255)))))
                (fun (tensors, (place, value)) ->
                    let bytes = written tensors (fun path _ -> File.ReadAllBytes path)
                    let headerEnd = 8 + int (BitConverter.ToUInt64(bytes, 0))
                    bytes[place % headerEnd] <- byte value
                    let before = LiveTensors.count ()

                    inFile bytes (fun path ->
                        use _scope = torch.NewDisposeScope()
                        Safetensors.read path |> ignore)

                    Expect.equal torch.Tensor.TotalCount before "no tensor more")

            testPropertyWithConfig
                { Property.config "cut anywhere: an error" with
                    maxTest = 60
                }
                "cut anywhere: an error"
            <| Prop.forAll (Arb.fromGen (Gen.zip content (Gen.choose (0, 99999)))) (fun (tensors, place) ->
                let bytes = written tensors (fun path _ -> File.ReadAllBytes path)
                refusal (Array.truncate (place % bytes.Length) bytes) |> ignore)
        ]

let tests =
    testSequenced (testList "Safetensors" [ headers; offsets; accepted; properties ])
