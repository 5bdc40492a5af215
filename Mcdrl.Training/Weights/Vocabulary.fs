namespace Mcdrl

open System
open System.Text.RegularExpressions

/// A byte-pair vocabulary in the form that CLIP's are published in (`vocab.json` and `merges.txt`).
type Vocabulary =
    {
        /// Tokens by id: 256 bytes, the same at a word's end, one token a merge, start, end.
        Tokens: string list
        /// Pairs of symbols, the first to be merged first.
        Merges: (string * string) list
    }

/// Builds the vocabulary of a small language: every word of its sentences becomes one token, and any other text still
/// has a spelling in bytes.
[<RequireQualifiedAccess>]
module Vocabulary =
    let private wordEnd = "</w>"

    /// One printable character for each byte, in CLIP's order (openai/CLIP, simple_tokenizer.py).
    let bytes: string list =
        let printable = [ 33..126 ] @ [ 161..172 ] @ [ 174..255 ]

        [
            for code in printable @ [ 256 .. 256 + 255 - printable.Length ] do
                string (char code)
        ]

    /// Replaces every neighbouring `left`, `right` by the two joined, from the left.
    let rec private merge (left, right) (symbols: string list) =
        match symbols with
        | a :: b :: rest when a = left && b = right -> a + b :: merge (left, right) rest
        | a :: rest -> a :: merge (left, right) rest
        | [] -> []

    /// The symbols of a word after all merges.
    let private spell (merges: (string * string) seq) (word: string) =
        let letters = [ for letter in word -> string letter ]

        let symbols =
            List.mapi
                (fun index letter ->
                    if index = letters.Length - 1 then
                        letter + wordEnd
                    else
                        letter)
                letters

        Seq.fold (fun symbols pair -> merge pair symbols) symbols merges

    /// The words of sentences, as the tokenizer cuts them: letters in a row, single digits, other signs in a row.
    let words (sentences: string list) : string list =
        sentences
        |> Seq.collect (fun sentence ->
            Regex.Matches(sentence.ToLowerInvariant(), @"[a-z]+|[0-9]|[^\sa-z0-9]+"))
        |> Seq.map _.Value
        |> Seq.distinct
        |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b))
        |> List.ofSeq

    /// The merges that make one token of each word. A word's own merges come after those of the words before it, so
    /// they can't undo what these do.
    let private mergesOf (words: string list) =
        let grown = Collections.Generic.List<string * string>()

        for word in words do
            let rec grow symbols =
                match symbols with
                | left :: right :: _ ->
                    grown.Add(left, right)
                    grow (merge (left, right) symbols)
                | [ _ ]
                | [] -> ()

            grow (spell grown word)

        List.ofSeq grown

    /// Every word of the sentences (ASCII) becomes one token.
    let ofSentences (sentences: string list) : Vocabulary =
        let merges = mergesOf (words sentences)

        {
            Merges = merges
            Tokens =
                bytes
                @ List.map (fun symbol -> symbol + wordEnd) bytes
                @ List.distinct (List.map (fun (left, right) -> left + right) merges)
                @ [ "<|startoftext|>"; "<|endoftext|>" ]
        }

    /// The content of `merges.txt`.
    let mergesText (vocabulary: Vocabulary) =
        String.concat
            "\n"
            [
                "#version: 0.2"
                for left, right in vocabulary.Merges do
                    $"{left} {right}"
                ""
            ]
