module Mcdrl.Tests.ClipTokenizerTests

open System
open System.Collections.Generic
open System.IO
open System.IO.Compression
open System.Text
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Mcdrl
open Mcdrl.Tests

let private vocabularyPath () =
    Shared.path "fixtures/clip/bpe_simple_vocab_16e6.txt.gz"

let private tokenizer =
    lazy (Expect.wantOk (ClipTokenizer.ofOpenAi (vocabularyPath ())) "the vocabulary loads")

let private ids text =
    ClipTokenizer.encode (tokenizer.Force()) text

let private golden () =
    use document =
        JsonDocument.Parse(File.ReadAllText(Shared.path "fixtures/clip/golden_tokens.json"))

    [
        for item in document.RootElement.EnumerateObject() do
            item.Name, [ for id in item.Value.EnumerateArray() -> id.GetInt64() ]
    ]

let private merges =
    lazy
        (use stream =
            new GZipStream(File.OpenRead(vocabularyPath ()), CompressionMode.Decompress)

         use reader = new StreamReader(stream)
         reader.ReadToEnd().Split('\n')[1..48894])

/// openai/CLIP's algorithm written down directly: repeatedly merge every occurrence of the best-ranked pair.
module private Reference =
    let private symbols =
        let printable = [ 33..126 ] @ [ 161..172 ] @ [ 174..255 ]

        let others =
            [ 0..255 ] |> List.filter (fun code -> not (List.contains code printable))

        List.zip (printable @ others) (printable @ [ for n in 0 .. others.Length - 1 -> 256 + n ])
        |> List.map (fun (code, letter) -> byte code, string (char letter))

    let private symbolOf = dict symbols

    let private ranks =
        lazy (merges.Force() |> Array.mapi (fun rank merge -> merge, rank) |> dict)

    let private idOf =
        lazy
            (let single = symbols |> List.map snd

             single
             @ List.map (fun symbol -> symbol + "</w>") single
             @ [ for merge in merges.Force() -> merge.Replace(" ", "") ]
             |> List.mapi (fun id token -> token, int64 id)
             |> dict)

    let rec private merge (parts: string list) =
        let rank (left, right) =
            match ranks.Force().TryGetValue $"{left} {right}" with
            | true, rank -> rank
            | _ -> Int32.MaxValue

        match List.pairwise parts with
        | [] -> parts
        | pairs when rank (List.minBy rank pairs) = Int32.MaxValue -> parts
        | pairs ->
            let left, right = List.minBy rank pairs

            let rec join parts =
                match parts with
                | a :: b :: rest when a = left && b = right -> (a + b) :: join rest
                | a :: rest -> a :: join rest
                | [] -> []

            merge (join parts)

    let private words =
        Regex(@"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", RegexOptions.IgnoreCase)

    /// Of text that is in lower case and free of HTML already.
    let encode (text: string) =
        [
            49406L
            for word in words.Matches text do
                let bytes = Encoding.UTF8.GetBytes word.Value

                let parts =
                    [
                        for index, value in Array.indexed bytes do
                            symbolOf[value] + (if index = bytes.Length - 1 then "</w>" else "")
                    ]

                for part in merge parts do
                    (idOf.Force())[part]
            49407L
        ]

let private pieces =
    [
        "polyp"
        "narrow"
        "a"
        "e"
        "the"
        "q"
        "-"
        "'s"
        "'"
        " "
        "  "
        "é"
        "Ġ"
        "ā"
        "語"
        "😀"
        "ß"
        "7"
        "²"
        "..."
    ]
    @ [ "!"; "\u00AD"; "</w>"; "|"; "\000"; "ŀ"; "العربية"; "µm" ]

let private known =
    testList
        "known texts"
        [
            testCase "all 89 golden prompts"
            <| fun () ->
                let golden = golden ()
                Expect.equal golden.Length 89 "all are there"

                for text, wanted in golden do
                    Expect.equal (ids text) wanted text

            testCase "the prompts of the method have golden ids"
            <| fun () ->
                let golden = golden () |> List.map fst |> Set.ofList
                let classes = [ "polyp"; "tumor"; "inflammation"; "nodule"; "cyst" ]
                let conditions = Prompts.conditions |> List.map _.Name

                for prompt in Prompts.all classes conditions do
                    if prompt <> Prompts.normal then
                        Expect.contains golden prompt "wording"

            testCase "special tokens in a text are the special tokens"
            <| fun () ->
                Expect.equal (ids "a <|endoftext|> b") [ 49406L; 320L; 49407L; 321L; 49407L ] "as OpenAI does"

            testPropertyWithConfig
                { FsCheckConfig.defaultConfig with
                    maxTest = 300
                }
                "any mixture of words, symbols and scripts equals the algorithm written down"
            <| Prop.forAll
                (Arb.fromGen (
                    Gen.choose (0, 12)
                    |> Gen.bind (fun n -> Gen.listOfLength n (Gen.elements pieces))
                ))
                (fun parts ->
                    let text =
                        Regex.Replace(String.Concat(parts).Trim(), @"\s+", " ").ToLowerInvariant()

                    Expect.equal (ids text) (Reference.encode text) text)

            testCase "half a surrogate pair is read as U+FFFD"
            <| fun () -> Expect.equal (ids (String(char 0xD83D, 1))) (ids "\uFFFD") "replaced"
        ]

let private batches =
    testList
        "batches"
        [
            testCase "rows are zero-padded"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let found =
                    Expect.wantOk (ClipTokenizer.batch 5 (tokenizer.Force()) [ "a dog"; "" ]) "encoded"

                Expect.equal found.shape [| 2L; 5L |] "shape"

                Expect.equal
                    (found.data<int64>().ToArray())
                    [| 49406L; 320L; 1929L; 49407L; 0L; 49406L; 49407L; 0L; 0L; 0L |]
                    "rows"

            testCase "prompts that are too long are usage errors, all of them; 77 tokens are allowed"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let words count = String.replicate count "a "
                Expect.isOk (ClipTokenizer.batch 77 (tokenizer.Force()) [ words 75 ]) "77"

                let error =
                    Expect.wantError
                        (ClipTokenizer.batch 77 (tokenizer.Force()) [ words 76; "a"; words 80 ])
                        "78"

                Expect.equal (McdrlError.exitCode error) 2 "usage"
                Expect.equal (McdrlError.flatten error |> List.length) 2 "both"
                Expect.stringContains (McdrlError.describe error) "78 tokens" "length"
        ]

let private vocabularies =
    testList
        "vocabulary files"
        [
            testCase "Hugging Face's pair gives the same ids"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let merges = merges.Force()
                    let bytes = [ 33..126 ] @ [ 161..172 ] @ [ 174..255 ] @ [ 256 .. 256 + 67 ]
                    let single = bytes |> List.map (fun code -> string (char code))

                    let tokens =
                        single
                        @ List.map (fun symbol -> symbol + "</w>") single
                        @ [ for merge in merges -> merge.Replace(" ", "") ]
                        @ [ "<|startoftext|>"; "<|endoftext|>" ]

                    let vocabulary = Dictionary<string, int>()
                    tokens |> List.iteri (fun id token -> vocabulary[token] <- id)

                    let vocabularyPath, mergesPath =
                        Path.Combine(folder, "vocab.json"), Path.Combine(folder, "merges.txt")

                    File.WriteAllText(vocabularyPath, JsonSerializer.Serialize vocabulary)
                    File.WriteAllLines(mergesPath, Array.append [| "#version: 0.2" |] merges)

                    let other =
                        Expect.wantOk (ClipTokenizer.ofVocabulary vocabularyPath mergesPath) "the pair loads"

                    for text, wanted in golden () do
                        Expect.equal (ClipTokenizer.encode other text) wanted text)

            testCase "damaged files are model errors that name the file"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let write (name: string) (content: byte array) =
                        let path = Path.Combine(folder, name)
                        File.WriteAllBytes(path, content)
                        path

                    let gzip (content: byte array) =
                        use memory = new MemoryStream()

                        using (new GZipStream(memory, CompressionLevel.Fastest)) (fun stream ->
                            stream.Write content)

                        memory.ToArray()

                    let full = File.ReadAllBytes(vocabularyPath ())
                    let json = "{\"a\":0,\"<|startoftext|>\":1,\"<|endoftext|>\":2}"B

                    let outcomes =
                        [
                            ClipTokenizer.ofOpenAi (write "empty.gz" [||])
                            ClipTokenizer.ofOpenAi (write "text.gz" "not gzip"B)
                            ClipTokenizer.ofOpenAi (write "cut.gz" (Array.truncate 100_000 full))
                            ClipTokenizer.ofOpenAi (write "short.gz" (gzip "#version\ni n\nt h\n"B))
                            ClipTokenizer.ofOpenAi (write "bomb.gz" (gzip (Array.zeroCreate 70_000_000)))
                            ClipTokenizer.ofOpenAi (Path.Combine(folder, "absent.gz"))
                            ClipTokenizer.ofVocabulary (write "bad.json" "{"B) (write "m1" "#\ni n\n"B)
                            ClipTokenizer.ofVocabulary
                                (write "type.json" "{\"a\":\"b\"}"B)
                                (write "m2" "#\n"B)
                            ClipTokenizer.ofVocabulary (write "list.json" "[1]"B) (write "m3" "#\n"B)
                            ClipTokenizer.ofVocabulary (write "no-end.json" "{\"a\":0}"B) (write "m4" "#\n"B)
                            ClipTokenizer.ofVocabulary
                                (write "order.json" "{\"<|startoftext|>\":1,\"<|endoftext|>\":2,\"a\":3}"B)
                                (write "m5" "#\n"B)
                            ClipTokenizer.ofVocabulary (write "one.json" json) (write "m6" "#\na\n"B)
                            ClipTokenizer.ofVocabulary (write "two.json" json) (write "m7" "#\nx y\n"B)
                        ]

                    for outcome in outcomes do
                        let error = Expect.wantError outcome "refused"
                        Expect.equal (McdrlError.exitCode error) 3 (McdrlError.describe error)
                        Expect.stringContains (McdrlError.describe error) folder "names the file")
        ]

let tests = testList "ClipTokenizer" [ known; batches; vocabularies ]
