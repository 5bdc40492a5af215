namespace Mcdrl

open System
open System.Globalization
open System.IO
open System.Text
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling
open Microsoft.ML.Tokenizers

/// A BERT's text as the numbers it takes. Built from the vocabulary that belongs to the weights.
[<NoComparison; NoEquality>]
type BertTokenizer =
    private
        {
            WordPiece: WordPieceTokenizer
            Start: int64
            End: int64
            LowerCase: bool
        }

/// WordPiece over words and single punctuation marks, as Hugging Face's BertTokenizer cuts them: control characters go,
/// ideographs stand alone, and a model of lower case takes accents away too (Accents.fs). The library's own BERT tokenizer is not
/// used: it drops characters that Hugging Face's makes [UNK], emoji for instance.
[<RequireQualifiedAccess>]
module BertTokenizer =
    let private startText = "[CLS]"
    let private endText = "[SEP]"
    let private unknownText = "[UNK]"

    /// Twice what the largest vocabularies of BERTs have.
    let private mostTokens = 500_000

    let private damaged path what =
        McdrlError.model what path "Fetch the vocabulary that belongs to the weights again"

    /// BERT's punctuation: that of Unicode, and the ASCII characters that are neither letter, digit nor white space.
    let private words =
        let marks = @"\p{P}!-/:-@\[-`{-~"
        Regex($@"[{marks}]|[^\s{marks}]+", RegexOptions.CultureInvariant)

    /// Ideographs, which no space parts.
    let private isIdeograph (rune: Rune) =
        [
            0x4E00, 0x9FFF
            0x3400, 0x4DBF
            0x20000, 0x2A6DF
            0x2A700, 0x2B73F
            0x2B740, 0x2B81F
            0x2B820, 0x2CEAF
            0xF900, 0xFAFF
            0x2F800, 0x2FA1F
        ]
        |> List.exists (fun (first, last) -> rune.Value >= first && rune.Value <= last)

    let private isOther (rune: Rune) =
        match Rune.GetUnicodeCategory rune with
        | UnicodeCategory.Control
        | UnicodeCategory.Format
        | UnicodeCategory.PrivateUse
        | UnicodeCategory.OtherNotAssigned -> true
        | _ -> false

    let private clean lowerCase (text: string) =
        let plain = StringBuilder()

        for rune in text.EnumerateRunes() do
            if Rune.IsWhiteSpace rune then
                plain.Append ' ' |> ignore
            elif isIdeograph rune then
                plain.Append(' ').Append(rune.ToString()).Append(' ') |> ignore
            elif rune <> Rune.ReplacementChar && not (isOther rune) then
                plain.Append(rune.ToString()) |> ignore

        if lowerCase then
            Accents.removed (plain.ToString().ToLowerInvariant())
        else
            plain.ToString()

    /// The tokenizer of a vocabulary; ids are positions in its tokens. `path` is where it is from, for errors; `lowerCase`
    /// says whether the model was trained on text in lower case without accents.
    let ofTokens (path: string) (lowerCase: bool) (tokens: string list) : Result<BertTokenizer, McdrlError> =
        result {
            do!
                Result.requireTrue
                    (damaged path $"it has {tokens.Length} tokens, more than {mostTokens}")
                    (tokens.Length <= mostTokens)

            let id token =
                match List.tryFindIndex ((=) token) tokens with
                | Some index -> Ok(int64 index)
                | None -> Error(damaged path $"it lacks {token}")

            let! start = id startText
            let! stop = id endText
            let! _ = id unknownText

            do!
                match
                    tokens
                    |> List.countBy Operators.id
                    |> List.tryFind (fun (_, count) -> count > 1)
                with
                | Some(token, _) -> Error(damaged path $"it has the token \"{token}\" twice")
                | None -> Ok()

            let! wordPiece =
                try
                    use lines = new MemoryStream(Encoding.UTF8.GetBytes(String.concat "\n" tokens))

                    WordPieceTokenizer.Create(
                        lines,
                        WordPieceOptions(
                            PreTokenizer = RegexPreTokenizer(words, null),
                            UnknownToken = unknownText
                        )
                    )
                    |> Ok
                with
                | :? ArgumentException as problem -> Error(damaged path problem.Message)
                | :? InvalidOperationException as problem -> Error(damaged path problem.Message)

            return
                {
                    WordPiece = wordPiece
                    Start = start
                    End = stop
                    LowerCase = lowerCase
                }
        }

    /// The ids of a text between [CLS] and [SEP].
    let encode (tokenizer: BertTokenizer) (text: string) : int64 list =
        [
            tokenizer.Start
            for id in tokenizer.WordPiece.EncodeToIds(clean tokenizer.LowerCase text) do
                int64 id
            tokenizer.End
        ]
