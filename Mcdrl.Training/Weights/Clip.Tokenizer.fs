namespace Mcdrl

open System
open System.Collections.Generic
open System.IO
open System.IO.Compression
open System.Net
open System.Text
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling
open Microsoft.ML.Tokenizers

/// CLIP's text as the numbers its text tower takes. Built from the vocabulary that belongs to the weights.
[<NoComparison; NoEquality>]
type ClipTokenizer =
    private
        {
            Bpe: BpeTokenizer
            Start: int64
            End: int64
        }

/// Byte-pair encoding with `</w>` at a word's end (openai/CLIP, simple_tokenizer.py). Text is unescaped from HTML,
/// its white space collapsed, and put in lower case. ftfy's repair of wrongly decoded text is left out.
[<RequireQualifiedAccess>]
module ClipTokenizer =
    let private startText = "<|startoftext|>"
    let private endText = "<|endoftext|>"
    let private wordEnd = "</w>"

    /// OpenAI's vocabulary keeps this many of the merges in its file.
    let private openAiMerges = 49152 - 256 - 2

    /// Larger than any CLIP vocabulary when unpacked; stops a file that unpacks without end.
    let private largestText = 64 * 1024 * 1024

    /// Ten times what CLIP's vocabularies have.
    let private mostTokens = 500_000

    /// Characters of a token.
    let private longestToken = 1_000

    let private damaged path what =
        McdrlError.model what path "Fetch the vocabulary file that belongs to the weights again"

    let private words =
        Regex(
            @"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
            RegexOptions.IgnoreCase ||| RegexOptions.CultureInvariant
        )

    let private whiteSpace = Regex(@"\s+", RegexOptions.CultureInvariant)

    let private create path (vocabulary: (string * int) list) (merges: string list) =
        result {
            do!
                Result.requireTrue
                    (damaged path $"it has {vocabulary.Length} tokens, more than {mostTokens}")
                    (vocabulary.Length <= mostTokens)

            do!
                Result.requireTrue
                    (damaged path $"it has {merges.Length} merges, more than {mostTokens}")
                    (merges.Length <= mostTokens)

            do!
                vocabulary
                |> List.tryFind (fun (token, id) -> id < 0 || id >= mostTokens || token.Length > longestToken)
                |> Option.map (fun (token, id) ->
                    damaged
                        path
                        $"a token of {token.Length} characters has the id {id}; ids lie between 0 and {mostTokens - 1}, and tokens have up to {longestToken} characters")
                |> Option.map Error
                |> Option.defaultValue (Ok())

            do!
                vocabulary
                |> List.countBy snd
                |> List.tryFind (fun (_, count) -> count > 1)
                |> Option.map (fun (id, count) -> Error(damaged path $"{count} tokens have the id {id}"))
                |> Option.defaultValue (Ok())

            let ids = dict vocabulary

            let! start, stop =
                match ids.TryGetValue startText, ids.TryGetValue endText with
                | (true, start), (true, stop) -> Ok(start, stop)
                | _ -> Error(damaged path $"it lacks {startText} or {endText}")

            // The text tower finds the end of a prompt as the largest id.
            do!
                Result.requireTrue
                    (damaged path $"{endText} is not its last token")
                    (vocabulary |> List.forall (fun (_, id) -> id <= stop))

            let specials = dict [ startText, start; endText, stop ] |> Dictionary

            let options =
                BpeOptions(vocabulary |> Seq.map (fun (token, id) -> token, id) |> Seq.map KeyValuePair)

            options.Merges <- merges
            options.EndOfWordSuffix <- wordEnd
            options.ByteLevel <- true
            options.SpecialTokens <- specials
            options.PreTokenizer <- RegexPreTokenizer(words, specials)

            let! bpe =
                try
                    Ok(BpeTokenizer.Create options)
                with
                | :? ArgumentException as problem -> Error(damaged path (problem.Message.TrimEnd '.'))
                | :? InvalidOperationException as problem -> Error(damaged path (problem.Message.TrimEnd '.'))

            return
                {
                    Bpe = bpe
                    Start = int64 start
                    End = int64 stop
                }
        }

    /// A text's bytes, packed by gzip where the name says so.
    let private unpack (path: string) (file: Stream) =
        try
            use content: Stream =
                if path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) then
                    new GZipStream(file, CompressionMode.Decompress)
                else
                    file

            match Files.toEnd (int64 largestText) content with
            | Some bytes -> Files.text path bytes
            | None -> Error(damaged path $"it unpacks to more than {largestText} bytes")
        with
        | :? InvalidDataException as problem -> Error(damaged path (problem.Message.TrimEnd '.'))
        | :? IOException as problem -> Error(damaged path (problem.Message.TrimEnd '.'))

    let private readText path =
        if Path.Exists path then
            Files.reading path (fun file -> unpack path file)
            |> Result.mapError McdrlError.asModel
        else
            Error(damaged path "there is no such file")

    let private isMerge (line: string) =
        match line.Split ' ' with
        | [| left; right |] -> left <> "" && right <> ""
        | _ -> false

    /// The merges of a file whose first line is a header.
    let private mergesOf path (count: int option) (text: string) =
        let lines = text.Split('\n') |> Array.map (fun line -> line.TrimEnd '\r')

        let body =
            match count with
            | Some count -> lines |> Array.skip 1 |> Array.truncate count
            | None -> lines |> Array.skip 1 |> Array.filter (fun line -> line <> "")

        match Array.tryFindIndex (isMerge >> not) body, count with
        | Some line, _ -> Error(damaged path $"line {line + 2} is not a pair of symbols")
        | None, Some count when body.Length < count ->
            Error(damaged path $"it has {body.Length} merges instead of {count}")
        | None, _ -> Ok(List.ofArray body)

    /// The tokenizer of a vocabulary that is at hand; ids are positions in its tokens.
    let ofTokens (vocabulary: Vocabulary) : Result<ClipTokenizer, McdrlError> =
        create
            "vocabulary"
            (List.mapi (fun id token -> token, id) vocabulary.Tokens)
            [
                for left, right in vocabulary.Merges do
                    $"{left} {right}"
            ]

    /// OpenAI's `bpe_simple_vocab_16e6.txt.gz` (or the same unpacked): ids 0..49407 follow from its merges.
    let ofOpenAi (path: string) : Result<ClipTokenizer, McdrlError> =
        result {
            let! text = readText path
            let! merges = mergesOf path (Some openAiMerges) text

            let tokens =
                Vocabulary.bytes
                @ List.map (fun symbol -> symbol + wordEnd) Vocabulary.bytes
                @ List.map (fun (merge: string) -> merge.Replace(" ", "")) merges
                @ [ startText; endText ]

            return! create path (List.mapi (fun id token -> token, id) tokens) merges
        }

    /// The tokenizer of a JSON object of tokens with their ids and the text of the merges; the paths name them in errors.
    let internal parse (vocabularyPath: string) (json: string) (mergesPath: string) (mergesText: string) =
        result {
            let! merges = mergesOf mergesPath None mergesText

            let! vocabulary =
                StrangerJson.readText
                    { StrangerJson.standard with
                        MostBytes = int64 largestText
                    }
                    (damaged vocabularyPath)
                    json
                    (fun root ->
                        Ok
                            [
                                for item in root.EnumerateObject() do
                                    item.Name, item.Value.GetInt32()
                            ])

            return! create vocabularyPath vocabulary merges
        }

    /// Hugging Face's pair of files: tokens with their ids as a JSON object, merges as text.
    let ofVocabulary (vocabularyPath: string) (mergesPath: string) : Result<ClipTokenizer, McdrlError> =
        result {
            let! json = readText vocabularyPath
            let! merges = readText mergesPath
            return! parse vocabularyPath json mergesPath merges
        }

    let private clean (text: string) =
        // Half a surrogate pair has no UTF-8; it becomes U+FFFD.
        let valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes text)
        let plain = WebUtility.HtmlDecode(WebUtility.HtmlDecode valid) |> string
        whiteSpace.Replace(plain.Trim(), " ").Trim().ToLowerInvariant()

    /// The ids of a text between the start and the end token.
    let encode (tokenizer: ClipTokenizer) (text: string) : int64 list =
        [
            tokenizer.Start
            for id in tokenizer.Bpe.EncodeToIds(clean text) do
                int64 id
            tokenizer.End
        ]

    /// One row of `context` ids a text, zero-padded, I64 [n, context]. Texts with more ids are a `Usage` error
    /// that lists them: a prompt is never cut silently.
    let batch (context: int) (tokenizer: ClipTokenizer) (texts: string list) : Result<Tensor, McdrlError> =
        texts
        |> List.map (fun text -> text, encode tokenizer text)
        |> TokenRows.padded context
